"""The store: events, posteriors, instructions and caches in SQLite or PostgreSQL.

The only importer of sqlalchemy and alembic.
"""

from persona_engine.store.api_keys import KEY_SCOPES, ApiKey, ApiKeys, KeyScope, NewApiKey
from persona_engine.store.audit import AuditQuery
from persona_engine.store.bulk import ImportedComparison
from persona_engine.store.clock import Clock, utc_now
from persona_engine.store.embeddings import content_key
from persona_engine.store.events import check_comparison
from persona_engine.store.idempotency import Idempotency, Requested, StoredAnswer
from persona_engine.store.migrate import SchemaStatus, downgrade, schema_status, upgrade
from persona_engine.store.rates import burst_of
from persona_engine.store.records import (
    AdapterRow,
    Artefact,
    AuditEvent,
    ClusteringRow,
    ClusterRow,
    Correction,
    Fold,
    ForgottenRows,
    NewAdapter,
    NewAuditEvent,
    NewComparison,
    PopulationRow,
    RatingRow,
    StoredReply,
    Unlearning,
)
from persona_engine.store.redacted import Redact, as_it_is
from persona_engine.store.store import Store
from persona_engine.store.tenant_store import TenantStore
from persona_engine.store.user_store import UserStore
from persona_engine.store.validate import check_json, check_text

__all__ = [
    "KEY_SCOPES",
    "AdapterRow",
    "ApiKey",
    "ApiKeys",
    "Artefact",
    "AuditEvent",
    "AuditQuery",
    "Clock",
    "ClusterRow",
    "ClusteringRow",
    "Correction",
    "Fold",
    "ForgottenRows",
    "Idempotency",
    "ImportedComparison",
    "KeyScope",
    "NewAdapter",
    "NewApiKey",
    "NewAuditEvent",
    "NewComparison",
    "PopulationRow",
    "RatingRow",
    "Redact",
    "Requested",
    "SchemaStatus",
    "Store",
    "StoredAnswer",
    "StoredReply",
    "TenantStore",
    "Unlearning",
    "UserStore",
    "as_it_is",
    "burst_of",
    "check_comparison",
    "check_json",
    "check_text",
    "content_key",
    "downgrade",
    "schema_status",
    "upgrade",
    "utc_now",
]
