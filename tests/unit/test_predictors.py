"""Predictors side by side: the suite they must pass, plug-ins, and the adapter."""

import dataclasses
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli.main import build_app
from chipwise.core.errors import InputError, Undetermined, UnknownName
from chipwise.perf.infer.setup import Layout
from chipwise.perf.predictors import Prediction, PredictorCase, aiconfigurator, found, predictor, predictors
from chipwise.perf.predictors.aiconfigurator import AIConfigurator, checkpoint_of
from chipwise.perf.predictors.own import OwnPredictor
from chipwise.testing import check_predictor


def case(**changes: object) -> PredictorCase:
    catalogue = load_catalogue()
    base = PredictorCase(chip=catalogue.chip("h100-sxm"), model=catalogue.model("llama-3.1-8b"))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("chip", ["h100-sxm", "h20-96", "ascend-910b", "mi300x"])
def test_our_own_passes_the_suite(chip: str) -> None:
    check_predictor(OwnPredictor(), case(chip=load_catalogue().chip(chip)))


def test_what_does_not_fit_is_no_case() -> None:
    large = case(model=load_catalogue().model("llama-3.1-70b"))
    assert "do not fit" in OwnPredictor().unknown(large)
    with pytest.raises(Undetermined):
        OwnPredictor().predict(large)
    with pytest.raises(InputError, match="concurrency"):
        case(concurrency=0.0)


@dataclasses.dataclass(frozen=True)
class Twisted:
    """Wraps ours and breaks one promise."""

    how: str
    name: str = "twisted"

    def unknown(self, case: PredictorCase) -> str:
        return "" if self.how == "guess" else OwnPredictor().unknown(case)

    def predict(self, case: PredictorCase) -> Prediction:
        if self.how == "guess" and case.chip.id == "no-such-chip":
            return self.predict(dataclasses.replace(case, chip=load_catalogue().chip("h100-sxm")))
        found = OwnPredictor().predict(case)
        if self.how == "little":
            return dataclasses.replace(
                found, output_tokens_per_s_per_chip=2.0 * found.output_tokens_per_s_per_chip, low=None
            )
        if self.how == "busier":
            return dataclasses.replace(found, tpot_s=1.0 / case.concurrency, low=None)
        if self.how == "longer":
            return dataclasses.replace(found, ttft_s=1.0 / case.input_tokens, low=None)
        if self.how == "negative":
            return dataclasses.replace(found, ttft_s=-1.0, low=None)
        if self.how == "interval":
            return dataclasses.replace(found, low=(9.0, 9.0, 9.0))
        return found


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("little", "Little's law"),
        ("busier", "tokens faster"),
        ("longer", "earlier first token"),
        ("negative", "not positive"),
        ("interval", "interval"),
        ("guess", "guesses"),
    ],
)
def test_every_broken_promise_is_found(how: str, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_predictor(Twisted(how))


def test_a_plug_in_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="twisted", value=f"{__name__}:PLUGIN", group=found.GROUP)
    monkeypatch.setattr(found, "entry_points", lambda **_: (point,))
    assert predictor("twisted").name == "twisted"
    with pytest.raises(UnknownName, match="no predictor"):
        predictor("nothing")
    for value, message in ((f"{__name__}:ABSENT", "cannot be loaded"), (f"{__name__}:case", "is no predictor")):
        broken = EntryPoint(name="x", value=value, group=found.GROUP)
        monkeypatch.setattr(found, "entry_points", lambda broken=broken, **_: (broken,))
        with pytest.raises(InputError, match=message):
            predictors()
    twice = EntryPoint(name="x", value="chipwise.perf.predictors.own:OwnPredictor", group=found.GROUP)
    monkeypatch.setattr(found, "entry_points", lambda **_: (twice,))
    with pytest.raises(InputError, match="is taken"):
        predictors()


PLUGIN = Twisted("honest")

API = """
from types import SimpleNamespace

def cli_estimate(name, system, **settings):
    assert system == "h100_sxm"
    print("notice")
    tokens = settings["batch_size"]
    if settings["isl"] == 7:
        raise RuntimeError("no data")
    return SimpleNamespace(tpot=10.0 + tokens, ttft=settings["isl"] / 10.0, backend_name="trtllm", backend_version="9")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that looks like AIConfigurator to the adapter."""
    for folder in ("aiconfigurator/cli", "aiconfigurator_core/model_configs"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("aiconfigurator", "aiconfigurator/cli", "aiconfigurator_core"):
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "aiconfigurator/cli/api.py").write_text(API)
    configs = tmp_path / "aiconfigurator_core/model_configs"
    for name in ("meta-llama--Meta-Llama-3.1-8B", "Qwen--Qwen3-32B", "Qwen--Qwen3-32B-FP8"):
        (configs / f"{name}_config.json").write_text("{}")
    for name in [each for each in sys.modules if each.startswith("aiconfigurator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("package")
def test_the_adapter_asks_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    answer = AIConfigurator().predict(case(engine="tensorrt-llm", concurrency=10.0))
    assert (answer.tpot_s, answer.ttft_s) == (0.02, pytest.approx(0.1024))
    rate = 10.0 * 256.0 / (0.1024 + 0.02 * 255.0)
    assert answer.output_tokens_per_s_per_chip == pytest.approx(rate)
    assert answer.method == "aiconfigurator trtllm 9"
    assert capsys.readouterr().out == ""
    check_predictor(AIConfigurator(), case(engine="vllm"))
    with pytest.raises(Undetermined, match="no data"):
        AIConfigurator().predict(case(input_tokens=7.0))


@pytest.mark.usefixtures("package")
def test_the_adapter_says_what_it_does_not_have() -> None:
    catalogue, adapter = load_catalogue(), AIConfigurator()
    assert "no tables of h20-96" in adapter.unknown(case(chip=catalogue.chip("h20-96")))
    assert "no tables of mindie" in adapter.unknown(case(engine="mindie"))
    assert "no configuration" in adapter.unknown(case(model=catalogue.model("llama-2-7b")))
    assert "context" in adapter.unknown(case(layout=Layout(context=2)))
    with pytest.raises(Undetermined, match="no tables"):
        adapter.predict(case(engine="mindie"))
    qwen = catalogue.model("qwen3-32b")
    assert checkpoint_of(qwen, "fp8") == ("Qwen/Qwen3-32B-FP8", True)
    assert checkpoint_of(qwen, "16-bit") == ("Qwen/Qwen3-32B", True)
    assert checkpoint_of(qwen, "int4") == ("Qwen/Qwen3-32B", False)
    assert checkpoint_of(catalogue.model("llama-3.1-8b"), "16-bit")[0] == "meta-llama/Meta-Llama-3.1-8B"


def test_without_the_package_the_adapter_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiconfigurator, "installed", lambda: False)
    assert AIConfigurator().unknown(case()) == "aiconfigurator is not installed"


def test_the_command_shows_every_predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiconfigurator, "installed", lambda: False)
    words = ["serve", "compare", "--model", "llama-3.1-8b", "--chip", "h100"]
    shown = CliRunner().invoke(build_app(), words)
    assert shown.exit_code == 0
    assert "not installed" in shown.output
    as_json = CliRunner().invoke(build_app(), [*words, "--json"])
    assert '"unknown"' in as_json.output
