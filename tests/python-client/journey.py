"""A program with the client that openapi-python-client wrote: from a key's creation to its revocation.

mypy checks it against the generated types before it runs.
"""

import io
import json
import os
import time
from http import HTTPStatus

from ul_keys_client import AuthenticatedClient, Client
from ul_keys_client.api.account import account_summary
from ul_keys_client.api.gateways import forward_auth, introspect
from ul_keys_client.api.keys import (
    create_key,
    key_usage,
    list_activity,
    list_keys,
    rename_key,
    revoke_key,
    show_key,
)
from ul_keys_client.api.operation import health, metrics
from ul_keys_client.api.training import report_training, request_upload, run, run_checkpoint, upload
from ul_keys_client.models import (
    ActivityEntryNewSource,
    ActivityEntryRenamed,
    ActivityPage,
    ApiKey,
    CheckpointSavedData,
    CreatedKey,
    CreateKey,
    EpochEndData,
    ErrorBody,
    ErrorCode,
    EventReceipt,
    Health,
    Introspection,
    IntrospectionForm,
    KeyList,
    KeyStatus,
    KeyUsage,
    OAuthError,
    Outcome,
    RenameKey,
    RevokedKey,
    RunStatus,
    Scope,
    TrainingCompleteData,
    TrainingReportCheckpointSaved,
    TrainingReportEpochEnd,
    TrainingReportTrainingComplete,
    TrainingReportTrainingStarted,
    TrainingRunDetails,
    TrainingStartedData,
    UploadBody,
    UploadTicket,
)
from ul_keys_client.types import File

BASE = os.environ["KEY_SERVICE"]
BYTES = bytes([0, 255, 1, 254])


def connect(credential: str) -> AuthenticatedClient:
    # Anything that the document does not describe is an error.
    return AuthenticatedClient(base_url=BASE, token=credential, raise_on_unexpected_status=True)


session = connect(os.environ["CREDENTIAL"])
anonymous = Client(base_url=BASE, raise_on_unexpected_status=True)

created = create_key.sync(client=session, body=CreateKey(name="python", scopes=[Scope.TRAINING, Scope.READ]))
assert isinstance(created, CreatedKey), created
key_id = created.key_id
training = connect(created.key)

keys = list_keys.sync(client=session, status=KeyStatus.ACTIVE, limit=1)
assert isinstance(keys, KeyList) and keys.keys[0].key_id == key_id and keys.next_ is None, keys
renamed = rename_key.sync(key_id, client=session, body=RenameKey(name="openapi-python-client"))
assert isinstance(renamed, ApiKey) and renamed.name == "openapi-python-client", renamed
shown = show_key.sync(key_id, client=session)
assert isinstance(shown, ApiKey) and shown.last_used_at is None and shown.scopes == [Scope.TRAINING, Scope.READ], shown

started = report_training.sync(
    client=training,
    body=TrainingReportTrainingStarted(
        event="training_started", project="p", name="python", data=TrainingStartedData(epochs=1)
    ),
)
assert isinstance(started, EventReceipt), started
epoch = TrainingReportEpochEnd(event="epoch_end", model_id=started.model_id, data=EpochEndData(epoch=0, fitness=0.5))
assert isinstance(report_training.sync(client=training, body=epoch), EventReceipt)
ticket = request_upload.sync(client=training, body=UploadBody(filename="best.pt", model_id=started.model_id))
assert isinstance(ticket, UploadTicket), ticket
capability = ticket.upload_url.rsplit("/", 1)[-1]
uploaded = upload.sync_detailed(capability, client=anonymous, body=File(payload=io.BytesIO(BYTES)))
assert uploaded.status_code == HTTPStatus.OK, uploaded
saved = TrainingReportCheckpointSaved(
    event="checkpoint_saved", model_id=started.model_id, data=CheckpointSavedData(model_path=ticket.gcs_path)
)
assert isinstance(report_training.sync(client=training, body=saved), EventReceipt)
ended = TrainingReportTrainingComplete(
    event="training_complete", model_id=started.model_id, data=TrainingCompleteData(class_names=["box"])
)
assert isinstance(report_training.sync(client=training, body=ended), EventReceipt)
details = run.sync(started.run_id, client=training)
assert isinstance(details, TrainingRunDetails) and details.status == RunStatus.COMPLETED, details
assert details.epochs[0].fitness == 0.5, details
file = run_checkpoint.sync(started.run_id, client=training)
assert isinstance(file, File) and file.payload.read() == BYTES, file

usage = None
for _ in range(100):
    usage = key_usage.sync(key_id, client=session)
    if isinstance(usage, KeyUsage) and usage.sources:
        break
    time.sleep(0.1)
assert isinstance(usage, KeyUsage) and usage.hours[0].outcome == Outcome.ACCEPTED, usage
activity = list_activity.sync(client=session, key_id=key_id)
assert isinstance(activity, ActivityPage), activity
names = [entry.new_name for entry in activity.entries if isinstance(entry, ActivityEntryRenamed)]
assert names == ["openapi-python-client"], activity
assert any(isinstance(entry, ActivityEntryNewSource) for entry in activity.entries), activity

invalid = create_key.sync_detailed(client=session, body=CreateKey(name="", scopes=[Scope.READ]))
assert invalid.status_code == 400 and isinstance(invalid.parsed, ErrorBody), invalid
assert invalid.parsed.code == ErrorCode.VALIDATION_ERROR, invalid
forbidden = create_key.sync_detailed(client=training, body=CreateKey(name="no", scopes=[Scope.READ]))
assert forbidden.status_code == 403 and isinstance(forbidden.parsed, ErrorBody), forbidden
unknown = account_summary.sync_detailed(client=connect("ul_" + "a" * 40))
assert unknown.status_code == 401 and isinstance(unknown.parsed, ErrorBody), unknown
assert unknown.parsed.code == ErrorCode.UNAUTHORIZED, unknown

introspection = introspect.sync(client=training, body=IntrospectionForm(token=created.key))
assert isinstance(introspection, Introspection) and introspection.scope == "training read", introspection
rejected = introspect.sync(client=training, body=IntrospectionForm(token=created.key, client_id="other"))
assert isinstance(rejected, OAuthError) and rejected.error.value == "invalid_request", rejected
gate = forward_auth.sync_detailed(client=training, x_original_method="GET", x_original_uri="/api/training/runs")
assert gate.status_code == 204 and gate.headers["X-Key-Id"] == key_id, gate
assert isinstance(health.sync(client=anonymous), Health)
counters = metrics.sync(client=anonymous)
assert isinstance(counters, str) and counters.endswith("# EOF\n"), counters

revoked = revoke_key.sync(key_id, client=session)
assert isinstance(revoked, RevokedKey), revoked
refused = account_summary.sync_detailed(client=training)
assert refused.status_code == 401, refused
print(json.dumps({"keyId": key_id, "runId": started.run_id}))
