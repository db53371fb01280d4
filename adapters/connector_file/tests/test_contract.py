from connector.sdk.testing import AdapterContract
from connector_file.contract import CONTRACT


class TestFile(AdapterContract):
    contract = CONTRACT
