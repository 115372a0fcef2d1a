"""Credentials for tests: keys, and tokens that an application signs for its users (JWT)."""

import base64
import hashlib
import hmac
import json
import subprocess
import time


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearer(credential):
    return {"Authorization": "Bearer " + credential} if credential else {}


def make_key(cluster, scope, application="NULL"):
    return cluster.sql("SELECT chat.create_key('test', '%s', %s)" % (scope, application))


class Secret:
    """A key of HS256."""
    algorithm = "HS256"

    def __init__(self, cluster, application, kid="NULL"):
        self.kid, self.secret = cluster.sql("SELECT kid, secret FROM chat.create_signing_key(%s, %s)" % (application, kid)).split("|")

    def sign(self, text):
        return hmac.digest(self.secret.encode(), text, hashlib.sha256)


class Pair:
    """A key of ES256 or EdDSA, by openssl."""

    def __init__(self, cluster, application, algorithm, directory):
        self.algorithm = algorithm
        self.file = directory / (algorithm + ".pem")
        kind = ["ED25519"] if algorithm == "EdDSA" else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", self.file], check=True, stderr=subprocess.DEVNULL)
        self.public = subprocess.check_output(["openssl", "pkey", "-in", self.file, "-pubout"], text=True)
        self.kid = cluster.sql("SELECT chat.register_public_key(%s, '%s')" % (application, self.public))

    def sign(self, text):
        file = self.file.with_suffix(".text")
        file.write_bytes(text)
        if self.algorithm == "EdDSA":
            return subprocess.check_output(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", file])
        der = subprocess.check_output(["openssl", "dgst", "-sha256", "-sign", self.file, file])
        # SEQUENCE of two INTEGERs; the token has both in 32 bytes each.
        r_length = der[3]
        r, s = der[4:4 + r_length], der[6 + r_length:]
        return r.lstrip(b"\0").rjust(32, b"\0") + s.lstrip(b"\0").rjust(32, b"\0")


def claims_of(**changes):
    claims = {"sub": "ann", "chats": [1], "exp": int(time.time()) + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def make_jwt(key, header=None, claims=None, **changes):
    """A token; changes are of the claims, None takes one away. header and claims may be texts of one's own."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps({"alg": key.algorithm, "kid": key.kid, "typ": "JWT", **(header or {})})
    if claims is None:
        claims = json.dumps(claims_of(**changes))
    parts = [base64url(part.encode() if isinstance(part, str) else part) for part in (header, claims)]
    return ".".join([*parts, base64url(key.sign(".".join(parts).encode()))])
