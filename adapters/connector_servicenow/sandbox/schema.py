"""SANDBOX: tables of the platform as far as the adapter looks at them: columns, references, what extends what."""

from __future__ import annotations

EXTENDS = {
    "cmdb_hardware_product_model": "cmdb_model",
    "cmdb_ci_ip_switch": "cmdb_ci_hardware",
    "cmdb_ci_hardware": "cmdb_ci",
    "alm_hardware": "alm_asset",
    "incident": "task",
    "sc_req_item": "task",
    "sc_request": "task",
}

SYSTEM = ("sys_id", "sys_class_name", "sys_created_on", "sys_updated_on")
_TASK = (
    "number", "state", "priority", "short_description", "description", "opened_at", "closed_at", "parent", "location",
    "cmdb_ci", "assigned_to", "assignment_group", "u_tracking_number", "u_serial_number", "u_branch", "u_units",
)  # fmt: skip
_DEVICE = (
    "serial_number", "asset_tag", "location", "install_status", "assigned_to", "warranty_expiration", "comments",
    "u_revision", "u_lane",
)  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "cmn_location": (
        "name", "latitude", "longitude", "time_zone", "street", "city", "state", "zip", "country", "phone", "u_region",
        "u_service_class", "u_access_hours",
    ),
    "alm_stockroom": ("name", "location", "u_hub_tier", "u_opening_hours", "u_courier_cut_offs", "u_handling_minutes"),
    "core_company": ("name", "manufacturer"),
    "cmdb_model": ("name", "display_name", "model_number", "manufacturer", "cmdb_ci_class", "status", "u_weight_g"),
    "alm_asset": (*_DEVICE, "display_name", "model", "stockroom", "substatus", "ci", "parent"),
    "cmdb_ci": (*_DEVICE, "name", "model_id", "asset", "discovery_source"),
    "cmdb_rel_ci": ("parent", "child", "type"),
    "cmdb_rel_type": ("name",),
    "task": _TASK,
    "incident": (
        "caller_id", "category", "parent_incident", "problem_id", "rfc", "caused_by", "close_code", "close_notes",
        "hold_reason", "resolved_at",
    ),
    "sc_req_item": ("request", "cat_item", "quantity", "requested_for"),
    "sc_request": ("requested_for",),
    "task_sla": ("task", "sla", "stage", "planned_end_time"),
    "contract_sla": ("name", "target"),
    "sys_user": ("name", "user_name", "email"),
    "sys_user_group": ("name",),
    "sc_cat_item": ("name",),
    "sys_audit_delete": ("tablename", "documentkey"),
}  # fmt: skip
"""Columns that a table adds to those of the one that it extends."""

REFERENCES = {
    "location": "cmn_location",
    "manufacturer": "core_company",
    "model": "cmdb_model",
    "model_id": "cmdb_model",
    "stockroom": "alm_stockroom",
    "ci": "cmdb_ci",
    "cmdb_ci": "cmdb_ci",
    "asset": "alm_asset",
    "child": "cmdb_ci",
    "type": "cmdb_rel_type",
    "task": "task",
    "parent": "cmdb_ci",  # of a relation; a task's is never followed
    "parent_incident": "incident",
    "request": "sc_request",
    "sla": "contract_sla",
    "cat_item": "sc_cat_item",
    "assigned_to": "sys_user",
    "caller_id": "sys_user",
    "requested_for": "sys_user",
    "assignment_group": "sys_user_group",
}
"""What a column refers to; `core_company.manufacturer` is a flag, and is never followed."""

JOURNALS = {"comments": "Additional comments", "work_notes": "Work notes"}
"""Of tasks: columns that are written to, and kept elsewhere."""
LENGTHS = {"u_tracking_number": 100, "comments": 4000, "serial_number": 100}
CHOICES = {
    "state": {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"},
}


def lineage(table: str) -> tuple[str, ...]:
    """A table and those that it extends."""
    above = EXTENDS.get(table)
    return (table, *(lineage(above) if above else ()))


def columns_of(table: str) -> tuple[str, ...]:
    """All columns of a table, those that it inherits included."""
    own = [column for each in lineage(table) for column in COLUMNS.get(each, ())]
    journals = JOURNALS if "task" in lineage(table) else ()
    return (*SYSTEM, *own, *journals)


def is_table(table: str) -> bool:
    """Whether there is such a table."""
    return table in COLUMNS or table in EXTENDS
