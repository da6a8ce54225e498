"""Every scene. Each makes one request of its own and says what became of it."""

from collections.abc import Awaitable, Callable

from tests.faults import clocks, crashes, outages
from tests.faults.bench import Bench
from tests.faults.outcome import Seen

Scene = Callable[[Bench], Awaitable[Seen]]

SCENES: dict[str, Scene] = {
    "before": outages.before,
    "while the model works": outages.during,
    "while the model works, then repeated with its key": outages.during_with_a_key,
    "while the model works, for a moment": outages.for_a_moment,
    "between sidecar and picture": outages.between_the_files,
    "when the picture is asked for": outages.looking_back,
    "while a picture is uploaded": outages.uploading,
    "while a batch is made": outages.making_a_batch,
    "while a batch is made, for a moment": outages.making_a_batch_for_a_moment,
    "before the call": crashes.killed_before_the_call,
    "during the call": crashes.killed_during_the_call,
    "after the sidecar": crashes.killed_between_the_files,
    "after the picture": crashes.killed_before_the_commit,
    "while the commit waits": crashes.killed_while_the_index_is_locked,
    "after the commit": crashes.killed_before_the_answer,
    "during the call, another serves on": crashes.killed_beside_another,
    "an hour forward during the call": clocks.an_hour_forward,
    "an hour back during the call": clocks.an_hour_back,
    "forward over midnight UTC during the call": clocks.forward_over_midnight,
    "back over midnight UTC during the call": clocks.back_over_midnight,
    "an hour ahead in a second process": clocks.beside_a_fast_clock,
    "its answer": outages.answered_so,
}
"""By the moment that rows name."""
