"""Logs in by requests_ntlm, with or without channel bindings, and prints the status: shows what ntlm_server.py insists on.

    python ntlm_client.py URL CERTIFICATE.pem USER PASSWORD with|without
"""

import sys

import requests
from requests_ntlm import HttpNtlmAuth

url, certificate, user, password, bindings = sys.argv[1:]
auth = HttpNtlmAuth(user, password, send_cbt=bindings == "with")
print(requests.post(url, data=b"x", auth=auth, verify=certificate, timeout=20).status_code)
