from pathlib import Path


def test_write(content_of):
    from neurallnet_jax.workflows import report

    report.write(content_of(), Path("/tmp/report.html"))
