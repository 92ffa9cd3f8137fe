"""Names of a package are imported when somebody asks for them."""

import importlib
import subprocess
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest

PACKAGE = """
from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from lazy_sample import whole as whole
    from lazy_sample.part import Second as Second
    from lazy_sample.part import first as renamed

__all__, __getattr__, __dir__ = exports(__name__)
"""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "lazy_sample"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "part.py").write_text("first = 1\nclass Second: pass\n")
    (package / "whole.py").write_text("inside = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("lazy_sample")]:
        monkeypatch.delitem(sys.modules, name)
    return package


def test_names_come_on_first_use_and_stay(sample: Path) -> None:
    import lazy_sample  # type: ignore[import-not-found]  # made above

    assert "lazy_sample.part" not in sys.modules
    assert lazy_sample.renamed == 1
    assert "lazy_sample.part" in sys.modules
    assert vars(lazy_sample)["renamed"] == 1
    assert lazy_sample.whole.inside == 2


def test_all_is_sorted_and_dir_complete(sample: Path) -> None:
    import lazy_sample

    assert lazy_sample.__all__ == ["Second", "renamed", "whole"]
    assert set(lazy_sample.__all__) <= set(dir(lazy_sample))


def test_an_unknown_name_is_an_attribute_error(sample: Path) -> None:
    import lazy_sample

    with pytest.raises(AttributeError, match="module 'lazy_sample' has no attribute 'nothing'"):
        _ = lazy_sample.nothing


def test_importing_labkeras_imports_no_torch() -> None:
    code = (
        "import sys, labkeras; "
        "assert not {'torch', 'pytorch_lightning', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_layers_imports_no_lightning() -> None:
    code = "import sys, labkeras.layers, labkeras.models; labkeras.layers.Dense; labkeras.models.Model; "
    code += "assert not {'pytorch_lightning', 'keras', 'torchmetrics'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_loader_that_gives_no_source_does_no_harm(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loader(SourceFileLoader):
        get_source = property()  # type: ignore[assignment]  # as if it were not there

    file = str(sample / "__init__.py")

    def find(name: str, *_: object) -> ModuleSpec | None:
        if name != "lazy_sample":
            return None
        return spec_from_file_location(name, file, loader=Loader(name, file), submodule_search_locations=[str(sample)])

    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find), *sys.meta_path])
    assert importlib.import_module("lazy_sample").renamed == 1
