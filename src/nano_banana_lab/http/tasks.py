"""What becomes of pictures that are made in the background."""

from typing import Annotated

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.retry_task import RetryTask
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.http import examples
from nano_banana_lab.http.batch import SUBMIT_PROBLEMS
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.scopes import NEEDS_GENERATE, NEEDS_READ
from nano_banana_lab.http.task_bodies import TaskBody, TaskList, TaskSummary, TaskView


class TasksController(Controller):
    """Batches, and single pictures that nobody waits for."""

    path = "/api/generate/task"
    tags = ("Tasks",)

    @get(
        opt=NEEDS_READ,
        summary="List tasks",
        responses=answer(TaskList, "A page of tasks", examples.TASKS)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def list_tasks(
        self,
        caller: NamedDependency[Caller],
        book: FromDishka[TaskBook],
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
        offset: Annotated[int, QueryParameter(ge=0, le=1_000_000_000)] = 0,
    ) -> TaskList:
        """The newest first. A task is forgotten a day after its end, unless the operator chose another time."""
        found, total = await book.page(caller.owner, limit=limit, offset=offset)
        prompts = await book.current_prompts(found)
        tasks = [TaskSummary.of(each, prompt) for each, prompt in zip(found, prompts, strict=True)]
        return TaskList(tasks=tasks, total=total, limit=limit, offset=offset)

    @get(
        "/{task_id:str}",
        opt=NEEDS_READ,
        summary="How far a task has come",
        responses=answer(TaskBody, "The task", examples.TASK)
        | problems("task_not_found", "service_unavailable", "internal_error"),
    )
    async def detail(
        self,
        request: LabRequest,
        task_id: FromPath[str],
        caller: NamedDependency[Caller],
        book: FromDishka[TaskBook],
        view: FromDishka[TaskView],
    ) -> Response[TaskBody]:
        """Every picture with its status. It is `completed` when at least one picture came of it."""
        language = language_of(request)
        return in_language(language, await view.task(await book.progress(caller.owner, task_id), language))

    @delete(
        "/{task_id:str}",
        status_code=200,
        opt=NEEDS_GENERATE,
        summary="Cancel a task",
        responses=answer(TaskBody, "The task as it stands now", examples.CANCELLED_TASK)
        | problems("task_not_found", "task_finished", "service_unavailable", "internal_error"),
    )
    async def cancel(
        self,
        request: LabRequest,
        task_id: FromPath[str],
        caller: NamedDependency[Caller],
        cancel_task: FromDishka[CancelTask],
        view: FromDishka[TaskView],
    ) -> Response[TaskBody]:
        """What has not begun is cancelled and its points are given back; what is being made is finished and kept."""
        language = language_of(request)
        return in_language(language, await view.task(await cancel_task(caller.owner, task_id), language))

    @post(
        "/{task_id:str}/retry",
        status_code=200,
        middleware=[Idempotency()],
        operation_class=IdempotentOperation,
        opt=NEEDS_GENERATE,
        summary="Try again what failed",
        responses=answer(TaskBody, "The task as it stands now", examples.TASK)
        | problems(*SUBMIT_PROBLEMS, "task_not_found", "task_running", "task_finished", "idempotency_conflict"),
    )
    async def retry(
        self,
        request: LabRequest,
        task_id: FromPath[str],
        caller: NamedDependency[Caller],
        retry_task: FromDishka[RetryTask],
        view: FromDishka[TaskView],
    ) -> Response[TaskBody]:
        """Failed and interrupted items run again, paid for anew: with points, or with the key that comes with this request."""
        language = language_of(request)
        return in_language(language, await view.task(await retry_task(caller, task_id), language))
