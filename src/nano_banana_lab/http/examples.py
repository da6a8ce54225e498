"""What answers look like, for the OpenAPI document; a test holds each to the schema of its route."""

from typing import Any

_ID = "0f8d1c6d5c7c4b2a9e3f1a2b3c4d5e6f"
_FILENAME = f"140305-{_ID}.jpg"
_KEY = f"users/anonymous/2026/11/22/{_FILENAME}"
_URL = f"/api/history/{_ID}/image"
_TIME = "2026-11-22T14:03:05.120Z"

GENERATED: dict[str, Any] = {
    "id": _ID,
    "image": {
        "id": _ID,
        "key": _KEY,
        "filename": _FILENAME,
        "url": _URL,
        "thumbnail_url": f"{_URL}?size=thumb",
        "width": 1376,
        "height": 768,
        "mime_type": "image/jpeg",
        "size_bytes": 1482211,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "requested_resolution": "1K",
        "matches_request": True,
    },
    "prompt": "a corgi in a teacup",
    "thinking": None,
    "text_response": "Here is your corgi.",
    "duration": 21.482,
    "mode": "basic",
    "settings": {"aspect_ratio": "16:9", "resolution": "1K", "safety_level": "moderate"},
    "created_at": _TIME,
    "model": "gemini-3-pro-image",
    "usage": {
        "prompt_tokens": 32,
        "output_tokens": 1772,
        "thinking_tokens": 748,
        "total_tokens": 2552,
        "cost_usd": 0.151264,
    },
    "grounding": None,
    "safety_ratings": [],
}
_UPLOAD_KEY = "users/anonymous/2026/11/22/135900-3c4d5e6f0f8d1c6d5c7c4b2a9e3f1a2b.png"
SEARCHED: dict[str, Any] = GENERATED | {
    "prompt": "the weather in Lisbon this week as a hand-drawn chart",
    "mode": "search",
    "grounding": {
        "queries": ["weather Lisbon this week"],
        "sources": [{"uri": "https://vertexaisearch.cloud.google.com/grounding-api-redirect/...", "title": "ipma.pt"}],
        "search_suggestions_html": "<div>...</div>",
    },
    "search_sources": "<div>...</div>",
}
BLEND: dict[str, Any] = {
    "image_keys": [_UPLOAD_KEY],
    "images": [
        {"key": _KEY},
        {
            "data": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
        },
    ],
    "blend_prompt": "put the corgi on the beach of the first picture",
    "settings": {"aspect_ratio": "16:9", "resolution": "2K"},
}
BLENDED: dict[str, Any] = GENERATED | {"prompt": BLEND["blend_prompt"], "mode": "blend"}
STYLE: dict[str, Any] = {"content_image_key": _KEY, "style_prompt": "a woodcut in three colours"}
STYLED: dict[str, Any] = GENERATED | {"prompt": STYLE["style_prompt"], "mode": "style"}
UPLOADED: dict[str, Any] = GENERATED["image"]
_CHAT_ID = "7d4b2a9e3f1a2b3c4d5e6f0f8d1c6d5c"
CHAT_BEGUN: dict[str, Any] = {"session_id": _CHAT_ID, "aspect_ratio": "16:9", "created_at": _TIME}
CHATS: dict[str, Any] = {
    "sessions": [
        {
            "session_id": _CHAT_ID,
            "aspect_ratio": "16:9",
            "message_count": 2,
            "created_at": _TIME,
            "last_activity": "2026-11-22T14:03:41.602Z",
            "title": "a corgi in a teacup",
        }
    ],
    "total": 1,
}
CHAT_REPLY: dict[str, Any] = {
    "text": "Here is your corgi.",
    "image": GENERATED["image"],
    "thinking": None,
    "duration": 21.482,
    "message_count": 2,
    "usage": GENERATED["usage"],
    "model": "gemini-3-pro-image",
}
CHAT: dict[str, Any] = {
    "session_id": _CHAT_ID,
    "messages": [
        {"role": "user", "content": "a corgi in a teacup", "image": None, "thinking": None, "timestamp": _TIME},
        {
            "role": "assistant",
            "content": "Here is your corgi.",
            "image": GENERATED["image"],
            "thinking": None,
            "timestamp": "2026-11-22T14:03:41.602Z",
        },
    ],
    "aspect_ratio": "16:9",
}
CHAT_EXPORT: dict[str, Any] = CHAT | {"created_at": _TIME, "title": "a corgi in a teacup"}
CHAT_MARKDOWN = f"""# a corgi in a teacup

Begun 2026-11-22 14:03 UTC.

## User

> a corgi in a teacup

## Assistant

> Here is your corgi.

![Picture {_ID}]({_URL})
"""
CHAT_DELETED: dict[str, Any] = {"success": True, "message": "Deleted the chat; its pictures stay in the history."}
ESTIMATE: dict[str, Any] = {
    "mode": "basic",
    "resolution": "4K",
    "count": 2,
    "estimated_cost_usd": 0.513728,
    "estimated_tokens": 6864,
    "quota_cost": 6,
}
ITEM: dict[str, Any] = {
    "id": _ID,
    "filename": _FILENAME,
    "prompt": "a corgi in a teacup",
    "mode": "basic",
    "settings": {"aspect_ratio": "16:9", "resolution": "1K"},
    "duration": 21.482,
    "created_at": _TIME,
    "url": _URL,
    "r2_key": _KEY,
    "text_response": "Here is your corgi.",
    "thinking": None,
    "session_id": None,
    "thumbnail_url": f"{_URL}?size=thumb",
    "width": 1376,
    "height": 768,
    "size_bytes": 1482211,
    "mime_type": "image/jpeg",
    "model": "gemini-3-pro-image",
    "cost_usd": 0.151264,
    "grounding": None,
}
HISTORY: dict[str, Any] = {
    "items": [ITEM],
    "total": 42,
    "limit": 1,
    "offset": 0,
    "has_more": True,
    "next_cursor": "q2mN8u4rY1pbMTc5NTM1NjE4NTEyMCwiMGY4ZDFjNmQiXQ",
}
DETAIL: dict[str, Any] = {"item": ITEM, "image_url": _URL, "image_base64": None}
STATISTICS: dict[str, Any] = {
    "total_images": 42,
    "images_by_mode": {"basic": 40, "search": 2},
    "total_duration": 902.244,
    "average_duration": 21.482,
    "earliest_date": "2026-11-01T08:00:00.000Z",
    "latest_date": _TIME,
    "total_cost_usd": 6.353088,
    "total_bytes": 62252862,
}
QUOTA: dict[str, Any] = {
    "is_trial_mode": True,
    "date": "2026-11-22",
    "global_used": 12,
    "global_limit": 50,
    "global_remaining": 38,
    "modes": {
        "basic_1k": {"name": "Basic (1K/2K)", "used": 4, "limit": 30, "remaining": 26, "cost": 1},
        "basic_4k": {"name": "Basic (4K)", "used": 1, "limit": 10, "remaining": 9, "cost": 3},
    },
    "prompts": {"used": 2, "limit": 30, "remaining": 28},
    "cooldown_active": True,
    "cooldown_remaining": 2,
    "resets_at": "2026-11-23T00:00:00.000Z",
}
QUOTA_CHECK: dict[str, Any] = {"can_generate": True, "reason": "OK", "cost": 3, "remaining_after": 35}
QUOTA_CONFIG: dict[str, Any] = {
    "global_daily_quota": 50,
    "cooldown_seconds": 3,
    "modes": {"basic_1k": {"name": "Basic (1K/2K)", "cost": 1, "limit": 30}},
}
DELETED: dict[str, Any] = {"success": True, "deleted_count": 1, "message": "Deleted 1 picture."}
USER: dict[str, Any] = {
    "id": "583231",
    "login": "octocat",
    "name": "The Octocat",
    "email": "octocat@github.com",
    "avatar_url": "https://avatars.githubusercontent.com/u/583231",
    "user_folder_id": "6fac44aa6f9ae93e",
}
_GUEST = f"guest-{_ID}"
GUEST: dict[str, Any] = {
    "id": _GUEST,
    "login": "guest-0f8d",
    "name": "Guest",
    "email": None,
    "avatar_url": None,
    "user_folder_id": _GUEST,
}
AUTH_STATUS: dict[str, Any] = {
    "authenticated": True,
    "user": USER,
    "auth_enabled": True,
    "trial_enabled": False,
    "providers": ["github"],
}
SIGN_IN_PAGE: dict[str, Any] = {
    "url": f"https://github.com/login/oauth/authorize?client_id=...&state={_ID}&code_challenge=...",
    "state": _ID,
}
TOKEN: dict[str, Any] = {
    "access_token": "<a JSON web token>",
    "token_type": "bearer",
    "expires_in": 604800,
    "user": USER,
}
GUEST_TOKEN: dict[str, Any] = TOKEN | {"user": GUEST}
_ACCESS_TOKEN: dict[str, Any] = {
    "id": _ID,
    "name": "photo frame in the hall",
    "prefix": "nbl_7hQx",
    "scopes": ["generate", "read"],
    "created_at": _TIME,
    "last_used_at": None,
    "expires_at": "2027-02-20T14:03:05.120Z",
}
ACCESS_TOKEN_CREATED: dict[str, Any] = _ACCESS_TOKEN | {"token": "nbl_7hQx..."}
ACCESS_TOKENS: dict[str, Any] = {"tokens": [_ACCESS_TOKEN | {"last_used_at": _TIME}], "total": 1}
ACCESS_TOKEN_REVOKED: dict[str, Any] = {"success": True, "message": "Revoked the access token."}
LOGGED_OUT: dict[str, Any] = {"success": True, "message": "Signed out."}
HEALTH: dict[str, Any] = {"status": "healthy", "timestamp": _TIME}
DETAILED_HEALTH: dict[str, Any] = {
    "status": "healthy",
    "timestamp": _TIME,
    "version": "0.1.0",
    "environment": "production",
    "uptime_seconds": 86400.5,
    "components": {
        "key_value_store": {"status": "healthy", "latency_ms": 0.41, "error": None, "details": {}},
        "blob_store": {"status": "healthy", "latency_ms": 18.2, "error": None, "details": {}},
        "image_model": {
            "status": "healthy",
            "latency_ms": 112.9,
            "error": None,
            "details": {"model": "gemini-3-pro-image", "placeholder": False},
        },
    },
}
ROOT: dict[str, Any] = {
    "name": "Nano Banana Lab",
    "version": "0.1.0",
    "links": {"docs": "/docs", "openapi": "/openapi.json", "generate": "/api/generate"},
}

_TASK_ID = "6d5c7c4b2a9e3f1a2b3c4d5e6f0f8d1c"
SUBMITTED: dict[str, Any] = {"task_id": _TASK_ID, "total": 2, "status": "queued"}
ACCEPTED: dict[str, Any] = SUBMITTED | {"total": 1}
_ITEMS: list[dict[str, Any]] = [
    {
        "index": 0,
        "prompt": "a corgi in a teacup",
        "status": "completed",
        "image": GENERATED["image"],
        "error": None,
    },
    {"index": 1, "prompt": "the same corgi asleep", "status": "processing", "image": None, "error": None},
]
_TASK_SUMMARY: dict[str, Any] = {
    "task_id": _TASK_ID,
    "mode": "batch",
    "status": "processing",
    "progress": 1,
    "total": 2,
    "current_prompt": "the same corgi asleep",
    "created_at": "2026-11-22T14:02:43.500Z",
    "started_at": "2026-11-22T14:02:43.638Z",
    "completed_at": None,
}
TASK: dict[str, Any] = _TASK_SUMMARY | {"results": [GENERATED["image"]], "errors": [], "items": _ITEMS}
CANCELLED_TASK: dict[str, Any] = TASK | {
    "status": "completed",
    "progress": 2,
    "current_prompt": None,
    "completed_at": "2026-11-22T14:03:07.001Z",
    "items": [_ITEMS[0], _ITEMS[1] | {"status": "cancelled"}],
}
TASKS: dict[str, Any] = {"tasks": [_TASK_SUMMARY], "total": 1, "limit": 20, "offset": 0}
TASK_EVENTS = f"""id: 1795356163638-0.0\r
event: item\r
data: {{"index":1,"prompt":"the same corgi asleep","status":"processing","image":null,"error":null}}\r
\r
id: 1795356163638-0.1\r
event: progress\r
data: {{"task_id":"{_TASK_ID}","status":"processing","progress":1,"total":2,"current_prompt":"the same corgi asleep"}}\r
\r
"""

_PROMPT: dict[str, Any] = {
    "id": "portrait-lighthouse-keeper",
    "text": "Weathered lighthouse keeper leaning on a rusted gallery rail above a slate sea ...",
    "description": "A keeper at dusk, close up.",
    "category": "portrait",
    "tags": ["portrait photography", "sea", "dusk"],
    "style": "documentary photograph",
    "is_favorite": True,
    "created_at": "2026-11-25T00:00:00.000Z",
    "language": "en",
}
_OWN_PROMPT: dict[str, Any] = _PROMPT | {
    "id": "9e3f1a2b3c4d5e6f0f8d1c6d5c7c4b2a",
    "text": "a quiet harbour at dawn",
    "description": "",
    "category": "custom",
    "tags": [],
    "style": "",
    "is_favorite": False,
    "created_at": _TIME,
}
CATEGORIES: list[dict[str, Any]] = [
    {
        "name": "portrait",
        "display_name": "Portraits",
        "description": "People and faces, up close.",
        "count": 14,
        "icon": "👤",
    }
]
PROMPTS: dict[str, Any] = {"prompts": [_OWN_PROMPT, _PROMPT], "total": 127, "categories": CATEGORIES}
PROMPT_KEPT: dict[str, Any] = {"prompt": _OWN_PROMPT, "message": "Kept the prompt."}
PROMPTS_WRITTEN: dict[str, Any] = {
    "prompts": [_PROMPT | {"id": _OWN_PROMPT["id"], "is_favorite": False, "created_at": _TIME}],
    "count": 1,
    "category": "portrait",
    "saved": True,
}
PROMPT_ENHANCED: dict[str, Any] = {
    "prompt": "A tabby cat asleep on a sunlit windowsill, dust drifting in warm side light, soft greens beyond the glass ...",
    "original": "a cat",
}
PROMPTS_VARIED: dict[str, Any] = {"prompts": ["a cat as a linocut ...", "a cat in gouache ..."]}
PROMPT_FAVORITE: dict[str, Any] = {
    "prompt_id": "portrait-lighthouse-keeper",
    "is_favorite": True,
    "message": "Added the prompt to your favourites.",
}
PROMPT_DELETED: dict[str, Any] = {"success": True, "message": "Deleted the prompt."}
