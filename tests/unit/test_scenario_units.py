"""Units of money and tokens: a strict parser."""

import pytest

from chipwise.files.quantities import MONEY_FORMS, fits, money_unit, tokens_per_day


@pytest.mark.parametrize(
    ("text", "currency", "scale", "per"),
    [
        ("USD m", "USD", 1e6, ""),
        ("USD bn", "USD", 1e9, ""),
        ("RMB bn", "RMB", 1e9, ""),
        ("CNY m", "RMB", 1e6, ""),
        ("kUSD", "USD", 1e3, ""),
        ("kUSD per chip", "USD", 1e3, "chip"),
        ("kUSD per chip with server", "USD", 1e3, "chip with server"),
        ("kUSD per bare module", "USD", 1e3, "bare module"),
        ("kUSD per eight-chip server", "USD", 125.0, "server"),
        ("RMB m per 16-chip server", "RMB", 62500.0, "server"),
        ("USD per GPU-hour", "USD", 1.0, "GPU-hour"),
        ("RMB per million tokens", "RMB", 1e-6, "token"),
        ("RMB per million input tokens", "RMB", 1e-6, "input token"),
        ("RMB per kWh", "RMB", 1.0, "kWh"),
        ("USD m per year", "USD", 1e6, "year"),
        ("USD m per month", "USD", 1e6, "month"),
        ("kUSD per year", "USD", 1e3, "year"),
    ],
)
def test_forms(text, currency, scale, per):
    unit = money_unit(text)
    assert (unit.currency, unit.per) == (currency, per)
    assert unit.scale == pytest.approx(scale)


@pytest.mark.parametrize(
    "text", ["", "dollars", "usd m", "kUSD m", "USD million", "USD per", "USD m per fortnight", "$", "USD m ", "USD  m"]
)
def test_not_forms(text):
    assert money_unit(text) is None


def test_every_form_offered_in_messages_is_accepted():
    for kind, forms in MONEY_FORMS.items():
        for form in forms:
            unit = money_unit(form)
            assert unit is not None
            assert fits(unit, kind), (kind, form)


def test_a_yearly_sum_is_no_sum():
    assert not fits(money_unit("USD m per year"), "sum")
    assert not fits(money_unit("USD m"), "rate")


def test_tokens():
    assert tokens_per_day("billion tokens per day") == 1e9
    assert tokens_per_day("tokens") is None
