"""Scores an MLflow model under the inference server: Azure's request forms and MLflow's own.

Runs in the replica's environment under Python 3.8 or newer, never in Headgate's. `{"input_data": …}` is answered
by the bare predictions, as Azure does; MLflow's own forms by `{"predictions": …}`, as `mlflow models serve` does.
"""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np  # type: ignore[import-not-found,import-untyped,unused-ignore]
import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from mlflow.exceptions import MlflowException

Request = Any
"""Flask's request; named without importing it, as Flask's place changed."""
Json = Any
"""What `json.loads` gives."""
Column = Any
"""A pandas Series."""
Table = Any
"""A pandas DataFrame."""
Input = Any
"""What a model predicts on: a table, a tensor, or named tensors."""

FORMS = "input_data, dataframe_split, dataframe_records, instances or inputs"
NUMBERS = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
ENFORCING = ("_enforce", "_validate_prediction_input", "_validate_params")


class BadRequestError(Exception):
    """The request is wrong; the message is the answer."""


class Served:
    """The model that `init` loaded."""

    model: Any = None
    schema: Any = None


def init() -> None:
    """Load the model below `AZUREML_MODEL_DIR`; the inference server calls it once in each worker."""
    Served.model = mlflow.pyfunc.load_model(str(find_model()))
    Served.schema = Served.model.metadata.get_input_schema()


@rawhttp  # type: ignore[untyped-decorator,unused-ignore]
def run(request: Request) -> AMLResponse:
    """Answer one request: 200 with predictions, 400 or 405 with a message; what the model raises is a 500."""
    if request.method == "OPTIONS":
        return AMLResponse("", 200)
    if request.method != "POST":
        return AMLResponse({"message": "Method not allowed; send the input by POST"}, 405, json_str=True)
    try:
        data, params, bare = parse(request.mimetype, request.get_data())
        found = plain(predict(data, params))
    except BadRequestError as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    return AMLResponse(found if bare else {"predictions": found}, 200, json_str=True)


def find_model() -> Path:
    """The directory that holds the file `MLmodel`: the model's own folder, or the nearest one below."""
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    first = root / os.environ.get("MLFLOW_MODEL_FOLDER", "")
    for folder in (first, root):
        if (folder / "MLmodel").is_file():
            return folder
    found = sorted(root.rglob("MLmodel"), key=lambda path: (len(path.parts), str(path)))
    if not found:
        raise FileNotFoundError("no file MLmodel below " + str(root) + ": this is not an MLflow model")
    return found[0].parent


def parse(mimetype: str, body: bytes) -> tuple[Input, Json, bool]:
    """A request's input, its params (None: none were sent), and whether it is in Azure's form."""
    if mimetype == "text/csv":
        return frame_of_csv(body), None, False
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise BadRequestError("the body is not JSON: " + str(error)) from error
    if not isinstance(sent, dict):
        raise BadRequestError("the body must be a JSON object with " + FORMS)
    params = sent.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadRequestError("params must be a JSON object")
    given = [name for name in FORMS.replace(" or ", ", ").split(", ") if name in sent]
    if len(given) != 1:
        raise BadRequestError(
            "the body must have exactly one of " + FORMS + "; found " + (", ".join(given) or "none")
        )
    return READERS[given[0]](sent[given[0]]), params, given[0] == "input_data"


def read_input_data(value: Json) -> Input:
    """Azure's forms: columns and data, a tensor, or named tensors."""
    if isinstance(value, dict) and "data" in value and "columns" in value:
        return read_split(value)
    if isinstance(value, dict):
        return read_tensors(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return read_records(value)
    if not isinstance(value, list):
        raise BadRequestError("input_data must be an object with columns and data, an object of tensors, or a list")
    if has_columns() and Served.schema.has_input_names():
        named = ", ".join(map(str, Served.schema.input_names()))
        message = "this model takes named columns: send input_data as an object with columns and data"
        raise BadRequestError(message + " (columns: " + named + ")")
    return tensor(value, None)


def read_split(value: Json) -> Input:
    """`{"columns": […], "data": […], "index": […]}`; columns and index may be missing."""
    if not isinstance(value, dict) or "data" not in value:
        raise BadRequestError("a table needs data, and columns where the model's columns have names")
    try:
        columns, index = value.get("columns"), value.get("index")
        return cast(pd.DataFrame(data=value["data"], columns=columns, index=index))
    except (ValueError, TypeError) as error:
        raise BadRequestError("columns, index and data do not make a table: " + str(error)) from error


def read_records(value: Json) -> Input:
    """A list of objects, one a row."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BadRequestError("dataframe_records must be a list of objects")
    return cast(pd.DataFrame(value))


def read_instances(value: Json) -> Input:
    """TensorFlow Serving's rows: values, or objects of one value per input."""
    if not isinstance(value, list):
        raise BadRequestError("instances must be a list")
    if not value or not all(isinstance(row, dict) for row in value):
        return tensor(value, None)
    if has_columns():
        return read_records(value)
    if any(row.keys() != value[0].keys() for row in value):
        raise BadRequestError("all instances must have the same inputs")
    return {name: tensor([row[name] for row in value], name) for name in value[0]}


def read_inputs(value: Json) -> Input:
    """TensorFlow Serving's columns: one tensor, or named ones."""
    return read_tensors(value) if isinstance(value, dict) else tensor(value, None)


def read_tensors(value: dict[str, Json]) -> Input:
    """Named tensors; a table where the model's signature has columns."""
    if not has_columns():
        return {name: tensor(data, name) for name, data in value.items()}
    try:
        return cast(pd.DataFrame(value))
    except (ValueError, TypeError) as error:
        raise BadRequestError("the columns do not make a table: " + str(error)) from error


READERS = {
    "input_data": read_input_data,
    "dataframe_split": read_split,
    "dataframe_records": read_records,
    "instances": read_instances,
    "inputs": read_inputs,
}


def frame_of_csv(body: bytes) -> Table:
    """A table with a header line."""
    try:
        return cast(pd.read_csv(io.BytesIO(body)))
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise BadRequestError("the body is not CSV with a header line: " + str(error)) from error


def has_columns() -> bool:
    """Whether the model's signature lists columns (not tensors)."""
    return Served.schema is not None and not Served.schema.is_tensor_spec()


def tensor(data: Json, name: str | None) -> Input:
    """An array of the signature's dtype, where there is one for `name` (None: the only input)."""
    specs = [] if Served.schema is None or has_columns() else list(Served.schema.inputs)
    matching = [spec for spec in specs if spec.name == name] or (specs if len(specs) == 1 else [])
    try:
        return np.array(data, dtype=matching[0].type if matching else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRequestError("the input is not a tensor: " + str(error)) from error


def cast(frame: Table) -> Table:
    """The table with its columns as the signature's types; columns that the signature does not know stay."""
    if not has_columns():
        return frame
    for position, spec in enumerate(Served.schema.inputs):
        known = spec.name if spec.name is not None else position
        column = known if known in frame.columns else None
        column = frame.columns[position] if spec.name is None and position < len(frame.columns) else column
        if column is not None:
            try:
                frame[column] = cast_column(frame[column], getattr(spec.type, "name", ""))
            except (ValueError, TypeError, OverflowError) as error:
                wanted = str(getattr(spec.type, "name", spec.type))
                raise BadRequestError("column " + repr(column) + " is not " + wanted + ": " + str(error)) from error
    return frame


def cast_column(values: Column, kind: str) -> Column:
    """One column as an MLflow type; missing values stay missing."""
    if kind == "string":
        return values.map(lambda value: value if missing(value) or isinstance(value, str) else str(value)).astype(
            object
        )
    if kind == "binary":
        return values.map(lambda value: base64.b64decode(value) if isinstance(value, str) else value)
    if kind == "datetime":
        return pd.to_datetime(values)
    if kind == "boolean" and not values.isna().any():
        return truth(values)
    if kind in NUMBERS and not (kind in ("integer", "long") and values.isna().any()):
        return number(values, kind)
    return values


def truth(values: Column) -> Column:
    """A column of booleans: true and false, or 0 and 1."""
    if not values.isin([True, False]).all():
        raise ValueError("only true, false, 1 and 0 are")
    return values.astype(bool)


def number(values: Column, kind: str) -> Column:
    """A column of numbers; a fraction is no integer."""
    read = pd.to_numeric(values)
    if kind in ("integer", "long") and not (read == read.round()).all():
        raise ValueError("it has fractions")
    turned = read.astype(NUMBERS[kind])
    if kind in ("integer", "long") and not (turned == read).all():
        raise ValueError("it is out of range")
    return turned


def missing(value: Json) -> bool:
    """Whether one cell is empty."""
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 (only NaN differs from itself)


def predict(data: Input, params: Json) -> Json:
    """The model's answer; an input that its signature refuses is the caller's fault."""
    try:
        return Served.model.predict(data, **({"params": params} if params is not None else {}))
    except MlflowException as error:
        if enforced(error):
            raise BadRequestError(str(error)) from error
        raise
    except TypeError as error:
        if params is not None and "'params'" in str(error):
            raise BadRequestError("the model's version of MLflow takes no params") from error
        raise


def enforced(error: BaseException) -> bool:
    """Whether MLflow's check of the signature raised it, not the model."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name.startswith(ENFORCING):
            return True
        trace = trace.tb_next
    return False


def plain(value: Json) -> Json:
    """Predictions as JSON knows them; a table becomes a list of objects, one a row."""
    if isinstance(value, pd.Series):
        value = pd.DataFrame(value)
    if isinstance(value, pd.DataFrame):
        value = value.to_dict(orient="records")
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else text(value)


def text(value: Json) -> str:
    """What JSON has no type for: bytes as base64, times in ISO 8601, all else as it prints."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
