"""Kept pictures are found again: in order, page by page, by mode, time and words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nano_banana_lab.core.history.picture import ImageNotFound, Mode
from nano_banana_lab.core.shared.ids import OwnerId


@pytest.fixture
async def seven(lab: Any) -> list[str]:
    """Seven pictures of alice, newest first."""
    for number in range(7):
        await lab.kept(f"picture {number}")
    return [f"picture {number}" for number in reversed(range(7))]


async def walk(lab: Any, between: Any = None, **query: Any) -> list[str]:
    """Every prompt, page by page with a cursor; `between` happens after the first page."""
    found, after = [], None
    for _ in range(30):
        page = await lab.history(after=after, **query)
        found += [picture.prompt for picture in page.pictures]
        if not page.has_more:
            assert page.last is None
            return found
        if between and after is None:
            await between()
        after = page.last
    pytest.fail("the pages have no end")


async def test_an_empty_history_is_an_empty_page(lab: Any) -> None:
    page = await lab.history()

    assert (page.pictures, page.total, page.has_more, page.last) == ((), 0, False, None)


async def test_newest_come_first_and_oldest_on_request(lab: Any, seven: list[str]) -> None:
    assert await lab.prompts() == seven
    assert await lab.prompts(newest_first=False) == seven[::-1]


async def test_offset_and_limit_cut_a_page_and_total_counts_all(lab: Any, seven: list[str]) -> None:
    page = await lab.history(offset=2, limit=3)

    assert [picture.prompt for picture in page.pictures] == seven[2:5]
    assert (page.total, page.has_more) == (7, True)


@pytest.mark.parametrize(("offset", "shown", "more"), [(4, 3, False), (3, 3, True), (7, 0, False), (1000, 0, False)])
async def test_whether_more_follow_is_exact(lab: Any, seven: list[str], offset: int, shown: int, *, more: bool) -> None:
    page = await lab.history(offset=offset, limit=3)

    assert (len(page.pictures), page.has_more, page.total) == (shown, more, 7)


@pytest.mark.parametrize("search", [None, "PICTURE"])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_cursors_show_every_picture_once(
    lab: Any, seven: list[str], limit: int, search: str | None, *, newest_first: bool
) -> None:
    found = await walk(lab, limit=limit, search=search, newest_first=newest_first)

    assert found == (seven if newest_first else seven[::-1])


@pytest.mark.parametrize("search", [None, "picture"])
@pytest.mark.parametrize("newest_first", [True, False])
async def test_cursors_are_not_disturbed_by_what_comes_and_goes(
    lab: Any, seven: list[str], search: str | None, *, newest_first: bool
) -> None:
    by_prompt = {picture.prompt: picture for picture in (await lab.history()).pictures}

    async def disturb() -> None:
        await lab.kept("picture come late")
        first_shown, not_yet_shown = (6, 1) if newest_first else (0, 5)
        await lab.delete("alice", [by_prompt[f"picture {number}"].id for number in (first_shown, not_yet_shown)])

    found = await walk(lab, disturb, limit=2, search=search, newest_first=newest_first)

    assert found.count("picture come late") == (0 if newest_first else 1)
    gone = "picture 1" if newest_first else "picture 5"
    expected = [prompt for prompt in (seven if newest_first else seven[::-1]) if prompt != gone]
    assert [prompt for prompt in found if prompt != "picture come late"] == expected


async def test_a_cursor_may_point_at_what_was_deleted(lab: Any, seven: list[str]) -> None:
    page = await lab.history(limit=3)
    await lab.delete("alice", [page.pictures[-1].id])

    assert await lab.prompts(after=page.last) == seven[3:]


async def test_pictures_of_the_same_millisecond_are_each_shown_once(lab: Any) -> None:
    same = [lab.picture(f"picture {number}") for number in range(9)]
    for picture in same:
        await lab.keep(picture, b"picture")

    assert sorted(await walk(lab, limit=2)) == [f"picture {number}" for number in range(9)]


async def test_a_mode_shows_its_own_only(lab: Any) -> None:
    for mode in (Mode.BASIC, Mode.CHAT, Mode.CHAT):
        await lab.kept(str(mode), mode=mode)
    page = await lab.history(mode=Mode.CHAT)

    assert ([picture.prompt for picture in page.pictures], page.total) == (["chat", "chat"], 2)


async def test_uploads_are_shown_only_when_asked_for(lab: Any) -> None:
    await lab.kept("generated")
    await lab.kept("uploaded", mode=Mode.UPLOAD)

    assert await lab.prompts() == ["generated"]
    assert await lab.prompts(mode=Mode.UPLOAD) == ["uploaded"]
    assert (await lab.history(search="ed")).total == 1
    assert (await lab.counted())["total_images"] == 1


async def test_a_date_range_includes_its_start_and_excludes_its_end(lab: Any) -> None:
    kept = [await lab.kept(f"picture {number}") for number in range(5)]
    span = {"date_from": kept[1].created_at, "date_to": kept[3].created_at}
    page = await lab.history(**span)

    assert [picture.prompt for picture in page.pictures] == ["picture 2", "picture 1"]
    assert (page.total, page.has_more) == (2, False)
    assert await walk(lab, limit=1, **span) == ["picture 2", "picture 1"]
    assert (await lab.history(search="2", **span)).total == 1


async def test_dates_count_to_the_millisecond_and_in_any_time_zone(lab: Any) -> None:
    kept = await lab.kept()
    elsewhere = kept.created_at.astimezone(datetime.now().astimezone().tzinfo)

    assert (await lab.history(date_from=elsewhere)).total == 1
    assert (await lab.history(date_from=elsewhere + timedelta(milliseconds=1))).total == 0
    assert (await lab.history(date_to=elsewhere + timedelta(milliseconds=1))).total == 1


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_the_ends_of_time_are_no_trouble(lab: Any, moment: datetime) -> None:
    await lab.kept()
    assert (await lab.history(date_from=moment)).total + (await lab.history(date_to=moment)).total == 1


@pytest.mark.parametrize(
    ("prompt", "search"),
    [
        ("A Corgi in a teacup", "corgi"),
        ("a corgi", "CORGI"),
        ("Straße bei Nacht", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("一只柯基犬在茶杯里", "柯基"),
        ("a 🍌 in space", "🍌"),
        ('50% "off" \\ \n line', '" \\ \n l'),
        ("Caf\u00e9 at dawn", "cafe\u0301"),
        ("Cafe\u0301 at dawn", "CAF\u00c9"),
    ],
)
async def test_search_finds_a_part_of_the_prompt_in_any_case(lab: Any, prompt: str, search: str) -> None:
    await lab.kept(prompt)
    await lab.kept("something else")

    assert await lab.prompts(search=search) == [prompt]


@pytest.mark.parametrize("search", ["c.rgi", "corgi*", "%", "_", "'", "corgi teacup"])
async def test_search_takes_every_character_as_it_is(lab: Any, search: str) -> None:
    await lab.kept("a corgi in a teacup")

    assert await lab.prompts(search=search) == []


async def test_search_looks_at_the_prompt_only(lab: Any) -> None:
    await lab.kept("a corgi", text_response="a teacup", model="banana")

    assert (await lab.history(search="teacup")).total == 0
    assert (await lab.history(search="banana")).total == 0


@pytest.fixture
async def mixed(lab: Any) -> None:
    """Twelve pictures, every third one of a cat."""
    for number in range(12):
        await lab.kept(f"{'cat' if number % 3 == 0 else 'dog'} {number}")


async def test_searching_by_offset_counts_what_matches(lab: Any, mixed: None) -> None:
    page = await lab.history(search="cat", offset=1, limit=2)

    assert [picture.prompt for picture in page.pictures] == ["cat 6", "cat 3"]
    assert (page.total, page.has_more) == (4, True)


async def test_searching_by_cursor_keeps_the_total(lab: Any, mixed: None) -> None:
    first = await lab.history(search="cat", limit=3)
    second = await lab.history(search="cat", limit=3, after=first.last)

    assert [picture.prompt for picture in second.pictures] == ["cat 0"]
    assert [(page.total, page.has_more) for page in (first, second)] == [(4, True), (4, False)]


async def test_searching_goes_on_beyond_what_is_read_at_once(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nano_banana_lab.core.history.find_pictures.SCAN_CHUNK", 5)
    for number in range(12):
        await lab.kept(f"{'cat' if number in (0, 5, 11) else 'dog'} {number}")

    assert await lab.prompts(search="cat") == ["cat 11", "cat 5", "cat 0"]
    assert await walk(lab, search="cat", limit=1, newest_first=False) == ["cat 0", "cat 5", "cat 11"]


async def test_owners_see_nothing_of_each_other(lab: Any) -> None:
    kept, bob = await lab.kept("alice's"), OwnerId("bob")

    assert ((await lab.history(bob)).total, await lab.prompts(bob, search="alice")) == (0, [])
    with pytest.raises(ImageNotFound):
        await lab.find.one(bob, kept.id)


async def test_many_are_found_by_their_ids_and_what_the_owner_does_not_have_is_passed_over(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.core.history.find_pictures.MAX_AT_ONCE", 2)
    kept = [await lab.kept() for _ in range(3)]
    ids = [kept[0].id, "0" * 32, kept[1].id, kept[2].id]

    assert await lab.find.many(OwnerId("alice"), ids) == {picture.id: picture for picture in kept}
    assert await lab.find.many(OwnerId("bob"), ids) == {}


@pytest.mark.parametrize("id", ["", "x", "../x", "\0", "a" * 2000, "\ud800", "0" * 32, "A" * 32])
async def test_an_unknown_id_is_not_found(lab: Any, id: str) -> None:
    await lab.kept()

    with pytest.raises(ImageNotFound):
        await lab.find.one(OwnerId("alice"), id)
