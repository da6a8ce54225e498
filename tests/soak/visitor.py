"""Somebody who uses the service for hours, in every way there is, with bad luck now and then."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.e2e.hostile_files import picture
from tests.e2e.tasking import finished
from tests.soak.book import Book

BAD_LUCK = (
    *("[[503 x1]]", "[[429-bare x1]]", "[[html-502 x2]]", "[[disconnect x1]]", "[[cut x1]]", "[[slow 0.5]]"),
    *("[[503]]", "[[500]]", "[[504]]", "[[html-403]]", "[[disconnect]]", "[[garbage]]", "[[empty]]", "[[unreadable]]"),
    *("[[blocked]]", "[[prompt-blocked]]", "[[no-image]]", "[[refusal]]", "[[max-tokens]]", "[[continuation]]"),
    *("[[png]]", "[[thoughts]]", "[[three-images]]", "[[no-text]]", "[[grounding]]", "[[urlsafe]]", "[[mislabelled]]"),
)
"""What may happen at Google: some of it is mended by asking again, some is no picture, and some is one after all."""

LUCKY = 0.6

COSTS = {"basic": {"1K": 1, "2K": 1, "4K": 3}, "search": 2, "blend": 2, "batch": 1, "chat": 1}
"""Points, as the contract has them."""


@dataclass
class Visitor:
    """A guest. Everything it is told goes into the book."""

    client: httpx.AsyncClient
    book: Book
    dice: random.Random
    chat: str = ""
    keys: list[str] = field(default_factory=list)

    async def stay(self, over: asyncio.Event) -> None:
        """Do one thing after the other until it is over, and finish the last one."""
        acts: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.generate, 30),
            (self.talk, 15),
            (self.order_a_batch, 5),
            (self.search_the_web, 5),
            (self.blend, 5),
            (self.upload, 3),
            (self.look_through_the_history, 20),
            (self.look_at_a_picture, 20),
            (self.delete_one, 4),
            (self.ask_nonsense, 3),
            (self.keep_a_prompt, 5),
        ]
        todo, weights = zip(*acts, strict=True)
        while not over.is_set():
            await self.dice.choices(todo, weights)[0]()

    async def generate(self) -> None:
        size = self.dice.choices(["1K", "2K", "4K"], [90, 8, 2])[0]
        body = {"prompt": self._prompt(), "settings": {"resolution": size}}
        answer = await self._ask("generate", "POST", "/api/generate", json=body, headers=self._key())
        self._kept(answer, COSTS["basic"][size])

    async def talk(self) -> None:
        if not self.chat or self.dice.random() < 0.2:
            begun = await self._ask("begin a chat", "POST", "/api/chat", json={})
            self.chat = begun["session_id"]
        body = {"message": self._prompt()}
        answer = await self._ask("say", "POST", f"/api/chat/{self.chat}/message", json=body, headers=self._key())
        self._kept(answer, COSTS["chat"])

    async def order_a_batch(self) -> None:
        # Who is refused for calling too often waits for half a minute; nobody here has so much time.
        body = {"prompts": [self._prompt().replace("[[429-bare x1]]", "") for _ in range(3)]}
        submitted = await self._ask("submit a batch", "POST", "/api/generate/batch", json=body, headers=self._key())
        task_id = submitted.get("task_id")
        if self.dice.random() < 0.2:
            await self._ask("cancel", "DELETE", f"/api/generate/task/{task_id}")
        done = await finished(self.client, task_id)
        for item in done["items"]:
            self.book.kept(item["image"], cost=COSTS["batch"])
            self.book.answers["item", item["error"]["code"] if item["error"] else item["status"]] += 1
        await self._ask("fetch a batch", "GET", f"/api/generate/task/{task_id}/images.zip")

    async def search_the_web(self) -> None:
        body = {"prompt": self._prompt()}
        answer = await self._ask("search", "POST", "/api/generate/search", json=body, headers=self._key())
        self._kept(answer, COSTS["search"])

    async def blend(self) -> None:
        if len(self.keys) >= 2:
            body = {"image_keys": self.dice.sample(self.keys, 2), "blend_prompt": self._prompt()}
            answer = await self._ask("blend", "POST", "/api/generate/blend", json=body, headers=self._key())
            self._kept(answer, COSTS["blend"])

    async def upload(self) -> None:
        data, headers = picture("PNG", (self.dice.randint(8, 64), 30)), {"Content-Type": "image/png"}
        image = await self._ask("upload", "POST", "/api/images", content=data, headers=headers)
        self.book.kept(image, cost=0)
        self.keys.append(image["key"])

    async def look_through_the_history(self) -> None:
        params = {"limit": "20", "search": self.dice.choice(["", "corgi", "lighthouse"])}
        page = await self._ask("history", "GET", "/api/history", params=params)
        if page["next_cursor"]:
            await self._ask("history", "GET", "/api/history", params={**params, "cursor": page["next_cursor"]})
        await self._ask("statistics", "GET", "/api/history/stats")

    async def look_at_a_picture(self) -> None:
        for item in await self._some():
            await self._ask("picture", "GET", f"/api/history/{item['id']}/image")
            await self._ask("thumbnail", "GET", f"/api/history/{item['id']}/image", params={"size": "thumb"})

    async def delete_one(self) -> None:
        for item in await self._some():
            await self._ask("delete", "DELETE", f"/api/history/{item['id']}")
            self.book.deleted.add(item["id"])
            self.keys = [key for key in self.keys if key != item["r2_key"]]

    async def ask_nonsense(self) -> None:
        await self._ask("nonsense", "POST", "/api/generate", content=self.dice.randbytes(50))
        await self._ask("nonsense", "POST", "/api/images", content=b"GIF89a", headers={"Content-Type": "image/gif"})
        await self._ask("nonsense", "GET", f"/api/history/{self.dice.randbytes(16).hex()}")

    async def keep_a_prompt(self) -> None:
        kept = await self._ask("keep a prompt", "POST", "/api/prompts", json={"text": self._prompt()})
        await self._ask("library", "GET", "/api/prompts", params={"search": "harbour"})
        await self._ask("forget a prompt", "DELETE", f"/api/prompts/{kept['prompt']['id']}")

    async def _some(self) -> list[dict[str, Any]]:
        """One of the newest pictures, if there is one."""
        page = await self._ask("history", "GET", "/api/history", params={"limit": "10"})
        return self.dice.sample(page["items"], min(1, len(page["items"])))

    async def _ask(self, act: str, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = await self.client.request(method, path, **request)
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        self.book.note(act, answer.status_code, body)
        return body

    def _kept(self, answer: dict[str, Any], cost: int) -> None:
        image = answer.get("image")
        self.book.kept(image, cost=cost)
        if image:
            self.keys.append(image["key"])

    def _prompt(self) -> str:
        what = self.dice.choice(["a corgi", "a lighthouse", "an old harbour", "两只猫"])
        luck = "" if self.dice.random() < LUCKY else self.dice.choice(BAD_LUCK)
        return f"{what}, number {self.dice.getrandbits(60)} {luck}".rstrip()

    def _key(self) -> dict[str, str]:
        """Half of the requests can be repeated safely."""
        return {"Idempotency-Key": self.dice.randbytes(16).hex()} if self.dice.random() < 0.5 else {}
