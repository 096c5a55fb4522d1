"""UptimeHunt: a self-hosted uptime monitor in one executable."""

__version__ = "0.1.0"
