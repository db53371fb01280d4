"""Settings of an Acme Desk source."""

from datetime import timedelta

from pydantic import Field, SecretStr

from connector.sdk import HttpConfig


class AcmeConfig(HttpConfig):
    """How to reach one Acme Desk."""

    token: SecretStr = Field(description="API token of a machine user.", examples=["acme-0123456789"])
    webhook_secret: SecretStr = Field(description="Secret that webhooks are signed with.", examples=["a long text"])
    page_size: int = Field(default=100, ge=1, le=100, description="Objects on a page, at most.", examples=[100])
    webhook_age: timedelta = Field(default=timedelta(minutes=5), description="Oldest webhook.", examples=["PT5M"])

    write_back: bool = Field(default=False, description="Whether swaps are written to assets.", examples=[True])

    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"authorization": f"Bearer {self.token.get_secret_value()}"}
