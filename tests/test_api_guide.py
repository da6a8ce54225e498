"""`docs/api-guide.md` is the list of errors that people read, so it has all of them."""

import re
from pathlib import Path

from nano_banana_lab.http.errors import STATUS_BY_CODE

GUIDE = Path(__file__).parents[1] / "docs" / "api-guide.md"


def test_the_guide_has_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (\d{3}) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {code: int(status) for codes, status in rows for code in re.findall(r"[a-z_]+", codes)}

    assert told | {"interrupted": 503} == STATUS_BY_CODE  # which no answer has: it stands in items of tasks
