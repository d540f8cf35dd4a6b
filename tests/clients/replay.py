"""Replays a recorded training run through the published client: `replay.py RECORDED CHECKPOINT`.

Each request is sent by the client's own method, with the identifiers from the start of the run, as the client's
training callback does. The checkpoint is uploaded with PUT, as the client's uploader does. Prints one JSON object with
the responses of the service. The client reads the key and the address from its usual environment variables.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
from ultralytics_platform import APIError, Platform


def replay(requests, checkpoint):
    """Sends every request. Returns the first receipt, the upload ticket's model ID, and the other receipts."""
    url = os.environ["ULTRALYTICS_PLATFORM_URL"]
    with Platform(base_url=url, max_retries=1, retry_methods=("POST",)) as client:
        start, *others = requests
        receipt = client.training.metrics(timeout=30, **start["body"])
        identity = {"model_id": receipt["modelId"]}
        ticket, last = None, None
        with ThreadPoolExecutor(max_workers=10) as pool:
            running = []
            for request in others:
                body = request["body"]
                if request["method"] == "PUT":
                    put = httpx.put(ticket["uploadUrl"], content=checkpoint, timeout=30)
                    put.raise_for_status()
                elif "filename" in body:
                    ticket = client.models.upload_checkpoint(
                        filename=body["filename"], run_id=receipt["runId"], timeout=30, **identity
                    )
                elif body["event"] in {"checkpoint_saved", "training_complete"}:
                    data = {**body["data"], "runId": receipt["runId"]}
                    if body["event"] == "checkpoint_saved":
                        data |= {"modelPath": ticket["gcsPath"], "uploadPath": ticket["uploadPath"]}
                    last = client.training.metrics(event=body["event"], data=data, timeout=90, **identity)
                else:
                    send = client.training.metrics
                    running.append(pool.submit(send, event=body["event"], data=body["data"], timeout=30, **identity))
            received = [future.result()["received"] for future in running]
    return {"start": receipt, "ticketModelId": ticket["modelId"], "last": last, "received": received}


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        requests = [json.loads(line) for line in lines]
    with open(sys.argv[2], "rb") as file:
        checkpoint = file.read()
    try:
        print(json.dumps(replay(requests, checkpoint)))
    except APIError as error:
        print(json.dumps({"refused": error.status_code, "text": str(error)}))


main()
