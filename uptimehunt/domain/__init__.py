"""The rules of the product: pure functions, and one module of functions a noun.

Functions that change something run inside `Store.write`, those that only read inside
`Store.reading`; both say so in their module. Nothing here knows HTTP, threads or the network.
"""
