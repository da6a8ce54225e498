"""A stand-in for Google's Gemini over real HTTP: tests and demos of the real client, without a key or a bill.

    with running_gemini() as gemini:
        model = GeminiImageModel(api_key=ApiKey("any"), model_id="gemini-3-pro-image", base_url=gemini.url)

or by itself: `python -m nano_banana_lab.testing.gemini --port 8090`.

It answers under `/v1`, `/v1beta` and any prefix: `POST models/{id}:generateContent`, `GET models`, `GET models/{id}`.
Bodies are read as leniently as Google reads them, and what Google refuses is refused (GEMINI.md sections 1 to 4 and 10):
no key, the keys `invalid` and `leaked`, unknown and retired models, sizes and ratios a model has not, more than
14 pictures, an `X-Server-Timeout` under 10 s, a model's own picture sent back without its thought signature or with
one that was issued for another key, model or picture. Pictures are real JPEG files of Google's pixel sizes;
the same prompt always gives the same bytes, another prompt others. Batches are left out.

Text models answer in words, or with JSON that follows the request's `responseJsonSchema` (`responseSchema`): prompts
in Chinese when the system instruction is Chinese, else in English, no two alike. JSON from a model that makes pictures,
a schema without its MIME type, two schemas, and a temperature are refused.

Markers anywhere in the last user turn change the answer. `[[NAME xN]]` applies to the first N calls with that prompt,
so `[[503 x2]]` fails twice and then succeeds. Several markers combine. `GET /` says what each does:

    400, bad-key, leaked-key, suspended-key, location, input-image, 429, 429-bare, 429-daily, 429-spend,
    429-free, 500, 503, 504, html-502, html-403, redirect, disconnect, cut, empty, garbage, slow SECONDS, hold
    NAME, prompt-blocked, no-image, image-other, blocked, prohibited, recitation, refusal, empty-parts,
    data-uri, max-tokens, missing-signature, finish REASON, no-image-finish REASON, continuation, unknown-finish,
    thoughts, thought-image, three-images, no-text, text-after, png, mislabelled, unreadable, urlsafe, big, weight BYTES,
    grounding, retiring, odd-footnotes, say TEXT,
    too-few, too-many, repeated, blank, too-long, echo, other-language, wrong-schema, prose

    GET    /__double__/requests        what was asked, without keys: each key is shown as its SHA-256
    DELETE /__double__/requests        forget requests, counts and script
    POST   /__double__/script          body: markers that apply to every prompt from now on
    POST   /__double__/release/{name}  let the calls go that `[[hold NAME]]` keeps waiting
"""

from nano_banana_lab.testing.gemini.server import GeminiDouble, running_gemini

__all__ = ["GeminiDouble", "running_gemini"]
