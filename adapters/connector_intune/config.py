"""Settings of an Intune source: which cloud and tenant, what is hardware, what device categories mean."""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from connector.sdk import AdapterConfig, AssetState
from connector.sdk.rest import Points
from connector.sdk.rest.config import OUT_OF_USE

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Cloud(NamedTuple):
    """Where a deployment of Microsoft Graph gives out tokens, and where people look at its devices."""

    login: str
    portal: str | None


CLOUDS: dict[str, Cloud] = {
    "graph.microsoft.com": Cloud("https://login.microsoftonline.com", "https://intune.microsoft.com"),
    "graph.microsoft.us": Cloud("https://login.microsoftonline.us", "https://intune.microsoft.us"),
    "dod-graph.microsoft.us": Cloud("https://login.microsoftonline.us", "https://intune.microsoft.us"),
    "microsoftgraph.chinacloudapi.cn": Cloud("https://login.chinacloudapi.cn", None),
}
"""By the host of Graph. Source: https://learn.microsoft.com/en-us/graph/deployments"""


class IntuneConfig(AdapterConfig):
    """Settings below `[sources.NAME]` with `adapter = "intune"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://graph.microsoft.com"),
        description="Microsoft Graph of the cloud that the tenant is in, without a version.",
        examples=["https://graph.microsoft.us"],
    )
    login_url: HttpUrl | None = Field(
        default=None,
        description="Where tokens come from, if that does not follow from base_url.",
        examples=["https://login.partner.microsoftonline.cn"],
    )
    tenant: str = Field(
        pattern=rf"^({UUID}|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)$",
        description="Directory (tenant) ID, or a domain of the tenant.",
        examples=["contoso.onmicrosoft.com"],
    )
    client_id: str = Field(
        pattern=rf"^{UUID}$",
        description="Application (client) ID of the app registration.",
        examples=["5f1c3a52-0d8e-4a5f-9a1b-6f3f1f1f7c11"],
    )
    client_secret: SecretStr = Field(
        min_length=1, description="A client secret of the app registration.", examples=[{"env": "INTUNE_SECRET"}]
    )
    management_state: bool = Field(
        default=True,
        description="Whether to ask whether a device is on its way out; a cloud that does not know this yet refuses.",
        examples=[False],
    )
    page_size: int = Field(default=500, ge=2, le=500, description="Devices or people per request.", examples=[500])
    whole_every: timedelta = Field(
        default=timedelta(days=1),
        gt=timedelta(0),
        description="How old the last reading of all devices may be before a pull reads them all again.",
        examples=["PT12H"],
    )
    audit: bool = Field(
        default=False,
        description="Whether to read the audit log, which tells at once what people deleted or changed.",
        examples=[True],
    )
    personal: bool = Field(
        default=False, description="Whether devices that belong to people are read as well.", examples=[True]
    )
    ignored_models: tuple[str, ...] = Field(
        default=("Virtual Machine", "Cloud PC *", "VMware*"),
        description="Models that are no hardware; * stands for any text.",
        examples=[["Virtual Machine", "Parallels*"]],
    )
    stale_after: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="How long a device may be silent before it counts as gone; empty means for ever.",
        examples=["P90D"],
    )
    places: Literal["office", "city", "none"] = Field(
        default="office",
        description="What of a device's user is its site: office and city, the city alone, or nothing.",
        examples=["city"],
    )
    not_sites: tuple[str, ...] = Field(
        default=(),
        description="Offices of people that are no places.",
        examples=[["Remote", "Home office"]],
    )
    points: Points = Field(
        default_factory=dict,
        description="Latitude and longitude by name of a site or hub, since Microsoft keeps none.",
        examples=[{"HQ Munich": [48.14, 11.58]}],
    )
    categories: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by its device category; without one a device is deployed.",
        examples=[{"Replaced": "return_pending"}],
    )
    hub_categories: dict[str, str] = Field(
        default_factory=dict,
        description="Hub by device category: such devices are in stock there.",
        examples=[{"Spares Hamburg": "Depot Hamburg"}],
    )
    write_back: bool = Field(
        default=False,
        description="Whether the hub may assign device categories after a swap.",
        examples=[True],
    )
    in_use_category: str = Field(
        default="", description="Device category of a device that replaced another.", examples=["In use"]
    )
    failed_category: str = Field(
        default="", description="Device category of a device that was replaced.", examples=["Replaced"]
    )
    retire_failed: bool = Field(
        default=False,
        description="Whether a device that was replaced is retired: company data is removed, it leaves Intune.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _tokens_come_from_somewhere(self) -> Self:
        if self.login_url is None and self.base_url.host not in CLOUDS:
            raise ValueError(
                f"base_url {str(self.base_url)!r} is no cloud of Microsoft's that is known ({', '.join(CLOUDS)}): "
                "correct it, or say in login_url where tokens come from"
            )
        return self

    @model_validator(mode="after")
    def _written_categories_mean_what_was_done(self) -> Self:
        if not self.write_back:
            if self.retire_failed:
                raise ValueError("retire_failed needs write_back = true: without it nothing is written")
            return self
        if self.retire_failed and not self.management_state:
            raise ValueError("retire_failed needs management_state = true: it tells what was retired already")
        for name in ("in_use_category", "failed_category"):
            if not getattr(self, name).strip():
                raise ValueError(f"write_back needs {name}: the name of a device category")
        if (failed := self.meant_by(self.failed_category)) not in OUT_OF_USE:
            raise ValueError(
                f"failed_category {self.failed_category!r} means {failed.value}: say in `categories` that it is one of "
                f"{', '.join(sorted(state.value for state in OUT_OF_USE))}"
            )
        if (in_use := self.meant_by(self.in_use_category)) is not AssetState.DEPLOYED:
            raise ValueError(f"in_use_category {self.in_use_category!r} means {in_use.value}, not deployed")
        return self

    def server(self) -> str:
        """Graph's address."""
        return str(self.base_url)

    def root(self) -> str:
        """The same without a slash at the end."""
        return str(self.base_url).rstrip("/")

    def cloud(self) -> Cloud:
        """Where tokens come from, and the portal."""
        known = CLOUDS.get(self.base_url.host or "", Cloud("", None))
        return known._replace(login=str(self.login_url).rstrip("/")) if self.login_url else known

    def token_url(self) -> str:
        """Where this tenant's tokens come from."""
        return f"{self.cloud().login}/{self.tenant}/oauth2/v2.0/token"

    def meant_by(self, category: str) -> AssetState:
        """State of a device in a device category."""
        name = folded(category)
        for known, state in self.categories.items():
            if folded(known) == name:
                return state
        return AssetState.DEPLOYED if self.hub_of(category) is None else AssetState.IN_STOCK

    def says(self, category: str) -> bool:
        """Whether the settings give a device category a meaning."""
        known = {folded(name) for name in (*self.categories, *self.hub_categories)}
        return folded(category) in known

    def hub_of(self, category: str) -> str | None:
        """The hub at which devices of a category lie."""
        name = folded(category)
        return next((hub for known, hub in self.hub_categories.items() if folded(known) == name), None)

    def point_of(self, name: str) -> tuple[float, float] | None:
        """Where a site or hub of this name is."""
        wanted = folded(name)
        return next((point for known, point in self.points.items() if folded(known) == wanted), None)

    def is_ignored(self, model: str) -> bool:
        """Whether a model is no hardware."""
        return any(fnmatchcase(folded(model), folded(pattern)) for pattern in self.ignored_models)

    def is_site(self, office: str) -> bool:
        """Whether an office is a place."""
        return folded(office) not in {folded(name) for name in self.not_sites}


def folded(text: str) -> str:
    """A name as it is compared: case and spaces around do not count, several in a row are one."""
    return " ".join(text.split()).casefold()
