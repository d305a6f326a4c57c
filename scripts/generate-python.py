"""Writes the generated part of clients/python from proto/. Needs the packages of tests/clients/requirements.txt."""

import pathlib
import re
import shutil
import sys
import tempfile
from importlib import resources

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "clients/python/mailagent_client/v1"


def main() -> int:
    protos = sorted(path.relative_to(ROOT / "proto").as_posix() for path in (ROOT / "proto/mailagent/v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={ROOT / 'proto'}",
                f"--proto_path={resources.files('grpc_tools') / '_proto'}",
                f"--python_out={folder}",
                f"--pyi_out={folder}",
                f"--grpc_python_out={folder}",
                *protos,
            ]
        )
        if status != 0:
            return status
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir(parents=True)
        for path in sorted(pathlib.Path(folder, "mailagent/v1").iterdir()):
            # A file without a service gets a stub module without a stub.
            if path.name.endswith("_pb2_grpc.py") and "class " not in path.read_text():
                continue
            # The modules are inside this package, not in one of their own that might be somebody else's.
            text = re.sub(r"^from mailagent\.v1 import", "from mailagent_client.v1 import", path.read_text(), flags=re.MULTILINE)
            (OUT / path.name).write_text(text)
    modules = sorted(path.stem for path in OUT.glob("*.py"))
    lines = ['"""Messages and services of the protobuf package mailagent.v1. Generated."""', ""]
    lines += [f"from mailagent_client.v1.{module} import *" for module in modules]
    (OUT / "__init__.py").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
