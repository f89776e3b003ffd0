"""Calls AWS with botocore or with the AWS CLI, as it is told.

Arguments: "botocore" or "cli", and the endpoint. Each line of standard input is
a call {"service", "action", "params"}; each line of standard output its answer,
{"result"} or {"code"}. Credentials and Region are in the environment.
"""
import contextlib
import io
import json
import re
import sys

import botocore
import botocore.config
import botocore.exceptions
import botocore.session

mode, endpoint = sys.argv[1:]
if mode == "cli":
    import awscli.clidriver
    driver = awscli.clidriver.create_clidriver()
session = botocore.session.get_session()
quick = botocore.config.Config(retries={"total_max_attempts": 1})


def by_botocore(service, action, params):
    client = session.create_client(service, endpoint_url=endpoint, config=quick)
    method = botocore.xform_name(action)
    try:
        if client.can_paginate(method):
            return {"result": client.get_paginator(method).paginate(**params).build_full_result()}
        result = getattr(client, method)(**params)
        result.pop("ResponseMetadata")
        return {"result": result}
    except botocore.exceptions.ClientError as e:
        return {"code": e.response["Error"]["Code"]}


def by_cli(service, action, params):
    """The CLI's own entry point, in this process: a start of Python for each call took minutes on a busy machine."""
    args = [service, botocore.xform_name(action, "-"), "--cli-input-json", json.dumps(params), "--endpoint-url", endpoint, "--output", "json"]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = driver.main(args)
    said = []
    for stream in out, err:
        stream.flush()
        said.append(stream.buffer.getvalue().decode())
    if status == 0:
        return {"result": json.loads(said[0] or "{}")}
    found = re.search(r"An error occurred \(([^)]*)\)", said[1])
    return {"code": found.group(1) if found else said[1]}


for line in sys.stdin:
    call = json.loads(line)
    act = by_cli if mode == "cli" else by_botocore
    print(json.dumps(act(call["service"], call["action"], call["params"]), default=str), flush=True)
