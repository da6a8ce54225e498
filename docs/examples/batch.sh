#!/bin/sh
# A batch of pictures with nothing but curl and sed: submitted, followed as it happens, and fetched as one ZIP file.
set -eu
lab=${LAB_URL:-http://localhost:8000}
call() { curl --fail-with-body --silent --show-error ${LAB_TOKEN:+--header "Authorization: Bearer $LAB_TOKEN"} "$@"; }

task=$(call "$lab/api/generate/batch" --header 'Content-Type: application/json' \
    --data '{"prompts": ["a lighthouse in fog", "a lighthouse at noon"]}' | sed 's/.*"task_id":"\([^"]*\)".*/\1/')

# --no-buffer shows every event as it comes; the stream ends with the task.
call --no-buffer "$lab/api/generate/task/$task/events" | sed -n 's/^data: \({"task_id".*"progress".*\)/\1/p' | cut -c 1-160

call --output lighthouses.zip "$lab/api/generate/task/$task/images.zip"
echo lighthouses.zip
