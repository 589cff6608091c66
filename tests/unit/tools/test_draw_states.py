"""The manual's picture shows the table's states and arrows, all of them and no others."""

from xml.etree import ElementTree as ET

from tools.draw_states import PICTURE, draw

from neve.domain.snapshots import TRANSITIONS

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_in_the_manual_is_the_tables() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw()


def test_every_state_has_a_box_and_every_transition_an_arrow() -> None:
    picture = ET.fromstring(draw())  # noqa: S314 - our own picture
    words = {text.text for text in picture.iter(f"{SVG}text")}
    assert {state.value for state in TRANSITIONS} <= words
    arrows = [path for path in picture.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arrows) == sum(len(targets) for targets in TRANSITIONS.values())
