"""The HTTP API: Falcon resources that translate, and decide nothing.

    middleware (request id, CORS, log) → operation (who, what body, what query) → responder of a
    few lines → domain function → envelope

One file a noun. `app.py` has the table of routes.
"""
