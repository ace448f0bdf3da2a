from __future__ import annotations

from dataclasses import fields

from tests.unit.parameters.asking import make

from resnet50_bench.config import RunConfig
from resnet50_bench.parameters.table import PARAMETERS

NAMES = [parameter.name for parameter in PARAMETERS]


class TestTable:
    def test_every_field_has_one_parameter(self):
        named = [parameter.field for parameter in PARAMETERS if parameter.field]
        assert sorted(named) == sorted(item.name for item in fields(RunConfig))
        assert len(NAMES) == len(set(NAMES))

    def test_flag(self):
        flags = {parameter.name: parameter.flag for parameter in PARAMETERS}
        assert flags["CORES_PER_INSTANCE"] == "--cores-per-instance"
        assert flags["MODE"] == "--mode"

    def test_no_setting_is_the_default(self):
        assert make() == RunConfig()
