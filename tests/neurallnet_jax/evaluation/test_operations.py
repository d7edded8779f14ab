import json

from neurallnet_jax.evaluation import operations
from neurallnet_jax.evaluation.operations import Energy, Operations


def test_operations_survive_json():
    found = Operations(
        8, 1234.5, 6e6, (Energy("horowitz45", "int8", "compute", 1e-6), Energy("gpu", "native", "static", None, "why"))
    )
    assert operations.from_json(json.loads(json.dumps(operations.to_json(found)))) == found
    empty = Operations(0, None, None, (), "no images")
    assert operations.from_json(operations.to_json(empty)) == empty
