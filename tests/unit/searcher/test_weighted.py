import pytest
from hypothesis import given
from hypothesis import strategies as st

from searcher.query import MAX_WEIGHT
from searcher.weighted import weighted
from services.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value", "weight"),
    [
        ("sku-1", "sku-1", 1.0),
        ("sku-1^2", "sku-1", 2.0),
        ("red dress^0.25", "red dress", 0.25),
        ("ten^2^1", "ten^2", 1.0),
        ("a\nb^3", "a\nb", 3.0),
        ("^2", "", 2.0),
        ("x^", "x^", 1.0),
        ("x^-2", "x^-2", 1.0),
        ("x^1e5", "x^1e5", 1.0),
        ("x^.5", "x^.5", 1.0),
        ("x^two", "x^two", 1.0),
    ],
)
def test_a_weight_stands_behind_the_last_caret(text, value, weight):
    assert weighted(text, "like") == (value, weight)


@given(st.text(), st.floats(0.01, MAX_WEIGHT).map(lambda size: round(size, 2)))
def test_any_value_can_be_written_with_any_weight(value, weight):
    assert weighted(f"{value}^{weight}", "like") == (value, weight)


@pytest.mark.parametrize("text", ["a^0", "a^0.0", "a^101", "a^" + "9" * 400])
def test_weights_that_no_part_may_have_are_refused_by_field(text):
    with pytest.raises(InvalidInput) as caught:
        weighted(text, "unlike")
    assert caught.value.field == "unlike" and caught.value.mend
