"""Pushes a module with the stock ORAS client, reads it back, and takes it away again."""

import hashlib
import os
import pathlib
import sys
import tempfile

from oras.client import OrasClient

registry, module = sys.argv[1:]
module = pathlib.Path(module)
client = OrasClient(hostname=registry, insecure=True)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    config = pathlib.Path("config.json")
    config.write_text('{"architecture":"wasm","os":"wasip2"}')
    pushed = pathlib.Path("app.wasm")
    pushed.write_bytes(module.read_bytes())
    answer = client.push(
        target=f"{registry}/team/counter:v1",
        files=["app.wasm:application/wasm"],
        manifest_config=f"{config}:application/vnd.wasm.config.v0+json",
        disable_path_validation=True,
    )
    print("pushed", answer.status_code)
    print("tags", *client.get_tags(f"{registry}/team/counter"))
    manifest = client.get_manifest(f"{registry}/team/counter:v1")
    print("layer", manifest["layers"][0]["mediaType"])
    os.mkdir("back")
    pulled = client.pull(target=f"{registry}/team/counter:v1", outdir="back")
    digest = lambda path: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    print("same", digest(pulled[0]) == digest(module))
    sample = client.pull(target=f"{registry}/hello-http:latest", outdir="back")
    print("sample", len(sample))
