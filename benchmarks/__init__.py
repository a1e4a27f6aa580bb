"""Ours and every installed peer, interleaved: ``python -m benchmarks``. One file a subject, each yielding its rows."""
