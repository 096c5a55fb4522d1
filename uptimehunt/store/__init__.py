"""Storage: the only SQL, the only files of the data folder.

Neighbours above (`domain`) speak in models and named queries; that the database is SQLite is
known here alone.
"""
