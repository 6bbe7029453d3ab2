"""Makes the models in tests/fixtures/models, each with what its framework computes.

Every framework has an environment of its own, since they exclude each other:

    python3 -m venv target/models/keras3 && target/models/keras3/bin/pip install tensorflow-cpu==2.21.0 keras==3.15.1
    python3 -m venv target/models/keras2 && target/models/keras2/bin/pip install tensorflow-cpu==2.15.1 tf2onnx==1.16.1 onnx==1.15.0 'numpy<2' 'ml_dtypes<0.4'
    python3 -m venv target/models/torch && target/models/torch/bin/pip install torch==2.15.0 onnx onnxscript onnxruntime safetensors
    target/models/keras3/bin/python scripts/models.py keras3
    target/models/keras2/bin/python scripts/models.py keras2
    target/models/torch/bin/python scripts/models.py torch

NAME.npz beside a model NAME has `inputs` and `outputs`, a row a sample.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/models"
RNG = np.random.default_rng(14)


def keep(name, inputs, outputs):
    np.savez_compressed(OUT / f"{name}.npz", inputs=inputs, outputs=outputs)


def images(count, *shape):
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


# Keras -------------------------------------------------------------------------------------------------------------


def fill(model):
    """Weights that are neither symmetric nor zero, statistics that normalise."""
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        shape = tuple(variable.shape)
        if len(shape) > 1:
            value = RNG.normal(0, 1.4 / np.sqrt(np.prod(shape[:-1])), shape)
        elif "variance" in name:
            value = RNG.uniform(0.5, 2.0, shape)
        elif "gamma" in name:
            value = RNG.uniform(0.5, 1.5, shape)
        else:
            value = RNG.normal(0, 0.2, shape)
        variable.assign(value.astype(np.float32))
    return model


def r1(keras):
    """Every layer of a small classifier of images."""
    k = keras.layers
    return fill(
        keras.Sequential(
            [
                k.Input((32, 32, 3)) if hasattr(k, "Input") else keras.Input((32, 32, 3)),
                k.Rescaling(1 / 255),
                k.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
                k.DepthwiseConv2D(3, padding="same", use_bias=False),
                k.BatchNormalization(),
                k.ReLU(6.0),
                k.GlobalAveragePooling2D(),
                k.Dropout(0.2),
                k.Dense(4, activation="softmax"),
            ]
        )
    )


def digits(keras):
    """A small classifier of digits, for runs that name a model in place of a network."""
    layers = keras.layers
    return fill(keras.Sequential([
        keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(10, activation="softmax"),
    ]))


def sine(keras):
    k = keras.layers
    model = keras.Sequential(
        [keras.Input((1,)), k.Dense(16, activation="relu"), k.Dense(16, activation="relu"), k.Dense(1)]
    )
    x = np.linspace(0, 2 * np.pi, 512, dtype=np.float32)[:, None]
    model.compile("adam", "mse")
    keras.utils.set_random_seed(14)
    model.optimizer.learning_rate = 0.01
    model.fit(x, np.sin(x), epochs=120, batch_size=64, verbose=0)
    return model, x


def series(keras):
    k = keras.layers
    return fill(
        keras.Sequential(
            [
                keras.Input((20, 3)),
                k.Conv1D(16, 5, padding="same", activation="relu"),
                k.BatchNormalization(),
                k.MaxPool1D(2),
                k.SeparableConv1D(8, 3, activation="relu"),
                k.GlobalMaxPooling1D(),
                k.Dense(3),
            ]
        )
    )


def residual(keras, as_layer):
    """Names in no order of the alphabet, two layers of one shape."""
    k = keras.layers
    x = keras.Input((8, 8, 2), name="zebra")
    a = k.Conv2D(4, 3, padding="same", activation="relu", name="yak")(x)
    b = k.Conv2D(4, 3, padding="same", name="ant")(a)
    s = k.Add(name="owl")([a, b]) if as_layer else a + b
    s = k.Flatten(name="dog")(k.MaxPooling2D(2, name="bee")(s))
    d = k.Dense(6, activation="tanh", name="cat")(s)
    e = k.Dense(6, activation="sigmoid", name="bat")(s)
    y = k.Dense(3, activation="softmax", name="eel")(k.Concatenate(name="fox")([d, e]))
    return fill(keras.Model(x, y, name="farm"))


def summed(keras, as_layer):
    """The same without the concatenation."""
    k = keras.layers
    x = keras.Input((8, 8, 2), name="zebra")
    a = k.Conv2D(4, 3, padding="same", activation="relu", name="yak")(x)
    b = k.Conv2D(4, 3, padding="same", name="ant")(a)
    s = k.Add(name="owl")([a, b]) if as_layer else a + b
    s = k.Flatten(name="dog")(k.MaxPooling2D(2, name="bee")(s))
    d = k.Dense(6, activation="tanh", name="cat")(s)
    e = k.Dense(6, activation="sigmoid", name="bat")(s)
    t = k.Add(name="fox")([d, e]) if as_layer else d + e
    return fill(keras.Model(x, k.Dense(3, activation="softmax", name="eel")(t), name="farm"))


def nested(keras):
    k = keras.layers
    x = keras.Input((12, 12, 1))
    y = k.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = k.BatchNormalization()(k.Conv2D(6, 3)(y))
    base = keras.Model(x, k.GlobalAveragePooling2D()(y), name="base")
    base.trainable = False
    return fill(keras.Sequential([keras.Input((12, 12, 1)), base, k.Dense(5, activation="relu"), k.Dense(3)]))


def without_input(keras):
    k = keras.layers
    first = {"input_shape": (7,)}
    return fill(keras.Sequential([k.Dense(5, activation="relu", **first), k.Dense(2, activation="softmax")]))


def recurrent(keras, batch=None):
    k = keras.layers
    return fill(keras.Sequential([keras.Input((10, 4), batch_size=batch), k.LSTM(16), k.Dense(3)]))


def variety(keras):
    """Two inputs, borders, products, differences, and activations that are not everyday ones."""
    k = keras.layers
    a, b = keras.Input((9, 7, 3), name="image"), keras.Input((5,), name="sensors")
    x = k.Conv2D(4, 3, strides=2, padding="valid", activation="elu")(k.ZeroPadding2D(((0, 1), (1, 2)))(a))
    y = k.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="selu")(x)
    z = k.Conv2D(8, 1)(x)
    x = k.Multiply()([y, k.Activation("sigmoid")(z)])
    x = k.Subtract()([x, k.LeakyReLU(0.2)(z)])
    x = k.Permute((3, 1, 2))(k.MaxPooling2D(2, strides=1, padding="same")(x))
    x = k.Concatenate()([k.Flatten()(x), k.Dense(6, activation="tanh")(b)])
    return fill(keras.Model([a, b], k.Dense(3, activation="log_softmax" if hasattr(keras, "ops") else "softmax")(x)))


def numbers(count, *shape):
    return RNG.normal(0, 1, (count, *shape)).astype(np.float32)


def save_variety(keras, name):
    """Of several inputs, a row is one behind the other."""
    model, a, b = variety(keras), numbers(8, 9, 7, 3), numbers(8, 5)
    model.save(OUT / name)
    keep(name, np.concatenate([a.reshape(8, -1), b], axis=1), model.predict([a, b], verbose=0))


def save(model, name, inputs):
    path = OUT / name
    model.save(path)
    keep(name, inputs, model.predict(inputs.astype(np.float32), verbose=0))


def convert(tf, model, name, inputs, mode, representative=None):
    """A TFLite file and what LiteRT makes of it, always as floats."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode.startswith("int8"):
        rows = representative if representative is not None else inputs
        converter.representative_dataset = lambda: ([row[None].astype(np.float32)] for row in rows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if mode == "int8":
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    data = converter.convert()
    (OUT / name).write_bytes(data)
    run(tf, name, data, inputs)


def run(tf, name, data, inputs):
    interpreter = tf.lite.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def one(row):
        x = row[None].astype(np.float32)
        if given["dtype"] == np.int8:
            scale, zero = given["quantization"]
            x = np.clip(np.round(x / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(made["index"])[0]
        if made["dtype"] == np.int8:
            scale, zero = made["quantization"]
            y = ((y.astype(np.float32) - zero) * scale).astype(np.float32)
        return y

    keep(name, inputs, np.stack([one(row) for row in inputs]))


def wide(keras):
    """Enough weights for the converter to make them integers: 1,024 a tensor."""
    k = keras.layers
    return fill(keras.Sequential([keras.Input((40,)), k.Dense(40, activation="relu"), k.Dense(30, activation="relu"), k.Dense(4)]))


def tflite(tf, keras, suffix):
    convert(tf, wide(keras), f"wide_dynamic_{suffix}.tflite", numbers(100, 40), "dynamic")
    model, x = sine(keras)
    rows = x[::5]
    for mode in ["float32", "float16", "dynamic", "int8", "int8_float_ends"]:
        convert(tf, model, f"sine_{mode}_{suffix}.tflite", rows, mode, x)
    model = series(keras)
    rows = numbers(100, 20, 3)
    for mode in ["float32", "int8"]:
        convert(tf, model, f"series_{mode}_{suffix}.tflite", rows, mode, numbers(300, 20, 3))
    convert(tf, r1(keras), f"r1_float32_{suffix}.tflite", images(4, 32, 32, 3), "float32")
    return model


def keras3():
    import keras
    import tensorflow as tf

    save(r1(keras), "r1_keras3.keras", images(4, 32, 32, 3))
    save(r1(keras), "r1_keras3.h5", images(4, 32, 32, 3))
    save(residual(keras, True), "residual_layer.keras", numbers(8, 8, 8, 2))
    save(residual(keras, False), "residual_operator.keras", numbers(8, 8, 8, 2))
    save(summed(keras, True), "summed_layer.keras", numbers(8, 8, 8, 2))
    save(summed(keras, False), "summed_operator.keras", numbers(8, 8, 8, 2))
    save(summed(keras, False), "summed_operator_keras3.h5", numbers(8, 8, 8, 2))
    save(nested(keras), "nested.keras", numbers(8, 12, 12, 1))
    save(nested(keras), "nested_keras3.h5", numbers(8, 12, 12, 1))
    save(series(keras), "series.keras", numbers(16, 20, 3))
    model, x = sine(keras)
    save(model, "sine.keras", x[::5])
    save(recurrent(keras), "recurrent.keras", numbers(8, 10, 4))
    tflite(tf, keras, "tf221")
    refusals(keras)
    save_variety(keras, "variety.keras")
    k = keras.layers
    normal = k.Normalization()
    normal.adapt(RNG.normal(3, 2, (200, 5)).astype(np.float32))
    save(keras.Sequential([keras.Input((5,)), normal, k.Dense(2)]), "normalization.keras", numbers(8, 5))
    save(digits(keras), "digits.keras", images(2, 28, 28, 1))


def refusals(keras):
    k = keras.layers
    keras.Sequential([keras.Input((4,)), k.Dense(3), k.Lambda(lambda x: x * 2, name="twice"), k.Dense(2)]).save(
        OUT / "refused_lambda.keras"
    )
    keras.Sequential([keras.Input((4,)), k.Dense(3)]).save_weights(OUT / "refused_only.weights.h5")
    keras.Sequential([keras.Input((8, 8, 4)), k.Conv2D(4, 3, groups=2, name="grouped"), k.Flatten(), k.Dense(2)]).save(
        OUT / "refused_groups.keras"
    )
    keras.Sequential([keras.Input((5,)), k.Normalization(name="scaler"), k.Dense(2)]).save(
        OUT / "refused_normalization.keras"
    )


def keras2():
    import shutil
    import h5py
    import tempfile
    import zipfile
    import tensorflow as tf

    keras = tf.keras
    model, inputs = r1(keras), images(4, 32, 32, 3)
    save(model, "r1_keras2.h5", inputs)
    save(model, "r1_keras2.keras", inputs)

    def renamed(name, rename):
        """The archive with the groups of its layers named as others name them."""
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(OUT / "r1_keras2.keras") as z:
                z.extractall(folder)
            old, new = pathlib.Path(folder, "model.weights.h5"), pathlib.Path(folder, "new.h5")
            with h5py.File(old) as source, h5py.File(new, "w") as target:
                for layer in source["_layer_checkpoint_dependencies" if "_layer_checkpoint_dependencies" in source else "layers"]:
                    group = source["_layer_checkpoint_dependencies" if "_layer_checkpoint_dependencies" in source else "layers"][layer]
                    source.copy(group, target, rename(layer))
            with zipfile.ZipFile(OUT / name, "w") as z:
                z.write(pathlib.Path(folder, "config.json"), "config.json")
                z.write(pathlib.Path(folder, "metadata.json"), "metadata.json")
                z.write(new, "model.weights.h5")
        keep(name, inputs, model.predict(inputs.astype(np.float32), verbose=0))

    def stepped(layer):
        base, _, number = layer.rpartition("_")
        if base and number.isdigit():
            return f"_layer_checkpoint_dependencies/{base}_{2 * int(number)}"
        return f"_layer_checkpoint_dependencies/{layer}"

    renamed("r1_windows.keras", lambda layer: f"layers\\{layer}")
    renamed("r1_steps.keras", stepped)
    save(summed(keras, True), "summed_layer_keras2.h5", numbers(8, 8, 8, 2))
    save(summed(keras, False), "summed_operator_keras2.h5", numbers(8, 8, 8, 2))
    save(summed(keras, False), "summed_operator_keras2.keras", numbers(8, 8, 8, 2))
    save(nested(keras), "nested_keras2.h5", numbers(8, 12, 12, 1))
    save(nested(keras), "nested_keras2.keras", numbers(8, 12, 12, 1))
    save(without_input(keras), "without_input.h5", numbers(8, 7))
    save_variety(keras, "variety_keras2.h5")
    tflite(tf, keras, "tf215")
    for batch in (None, 1):
        recurrent_lite(tf, keras, batch)
    onnx_of_keras(tf, keras)


def recurrent_lite(tf, keras, batch):
    converter = tf.lite.TFLiteConverter.from_keras_model(recurrent(keras, batch))
    name = "refused_recurrent_any_batch.tflite" if batch is None else "recurrent_batch1.tflite"
    if batch is None:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter._experimental_lower_tensor_list_ops = False
    data = converter.convert()
    (OUT / name).write_bytes(data)
    if batch is not None:
        run(tf, name, data, numbers(8, 10, 4))


def onnx_of_keras(tf, keras):
    import tf2onnx

    model, inputs = r1(keras), images(4, 32, 32, 3)
    signature = (tf.TensorSpec((None, 32, 32, 3), tf.float32, name="input"),)
    tf2onnx.convert.from_keras(model, input_signature=signature, opset=15, output_path=str(OUT / "r1_tf2onnx.onnx"))
    keep("r1_tf2onnx.onnx", inputs, model.predict(inputs.astype(np.float32), verbose=0))


# PyTorch -----------------------------------------------------------------------------------------------------------


def torch():
    import safetensors.torch
    import torch
    from torch import nn

    torch.manual_seed(14)

    def export(model, name, inputs, **options):
        model.eval()
        torch.onnx.export(model, (torch.from_numpy(inputs[:1]),), OUT / name, **options)
        with torch.no_grad():
            keep(name, inputs, model(torch.from_numpy(inputs)).numpy())

    mlp = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3))
    names = {"input_names": ["x"], "output_names": ["y"]}
    dynamic = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
    export(mlp, "mlp_opset13.onnx", numbers(16, 4), dynamo=False, opset_version=13, **names, **dynamic)
    safetensors.torch.save_file(mlp.state_dict(), OUT / "mlp.safetensors")

    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
            self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(8 * 10 * 6, 5)
            with torch.no_grad():
                self.bn.running_mean.normal_(0, 0.3)
                self.bn.running_var.uniform_(0.5, 2)
                self.bn.weight.uniform_(0.5, 1.5)
                self.bn.bias.normal_(0, 0.3)

        def forward(self, x):
            x = self.pool(torch.relu(self.bn(self.conv(x))))
            return self.fc(x.view(x.size(0), -1))

    cnn = Cnn()
    inputs = numbers(8, 1, 20, 12)
    export(cnn, "cnn_legacy.onnx", inputs, dynamo=False, opset_version=17, **names)
    export(cnn, "cnn_legacy_dynamic.onnx", inputs, dynamo=False, opset_version=11, **names, **dynamic)
    export(cnn, "cnn_dynamo.onnx", inputs, dynamo=True, external_data=True, **names)
    training = torch.onnx.TrainingMode.TRAINING
    cnn.train()
    torch.onnx.export(
        cnn,
        (torch.from_numpy(inputs[:1]),),
        OUT / "refused_training.onnx",
        dynamo=False,
        training=training,
        do_constant_folding=False,
        opset_version=17,
        **names,
    )
    torch.save(mlp.state_dict(), OUT / "refused_pickle.pth")

    class Variety(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3, groups=4, padding=1)
            self.c = nn.Conv2d(4, 8, (1, 3), padding=(0, 1))

        def forward(self, x):
            x = nn.functional.elu(self.a(nn.functional.pad(x, (0, 1, 1, 0))))
            y = torch.cat([nn.functional.selu(self.b(x)), x * 0.5 - 1, x[:, 1:3]], 1)
            z = nn.functional.pad(self.c(y[:, 2:6]), (1, 0, 0, 1), value=0.25)
            z = nn.functional.hardtanh(z * torch.sigmoid(z), 0, 6).permute(0, 2, 3, 1)
            z = nn.functional.avg_pool2d(z.permute(0, 3, 1, 2), 2, stride=(1, 2))
            return nn.functional.log_softmax(self.fc(z.flatten(1)), 1)

    v = Variety()
    with torch.no_grad():
        x = nn.functional.pad(torch.zeros(1, 3, 12, 13), (0, 1, 1, 0))
        x = v.c(torch.zeros(1, 4, *v.a(x).shape[2:]))
        x = nn.functional.avg_pool2d(nn.functional.pad(x, (1, 0, 0, 1)), 2, stride=(1, 2))
    v.fc = nn.Linear(x.numel(), 5)
    export(v, "variety_legacy.onnx", numbers(8, 3, 12, 13), dynamo=False, opset_version=13, **names)
    export(v, "variety_dynamo.onnx", numbers(8, 3, 12, 13), dynamo=True, external_data=False, **names)
    series = nn.Sequential(nn.Conv1d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(60, 4))
    export(series, "series.onnx", numbers(8, 3, 20), dynamo=False, opset_version=13, **names)
    export(
        nn.Sequential(nn.Conv1d(3, 6, 5), nn.ReLU()),
        "refused_free_dimension.onnx",
        numbers(1, 3, 20),
        dynamo=False,
        opset_version=13,
        **names,
        dynamic_axes={"x": {2: "seq"}, "y": {2: "out"}},
    )
    (OUT / "refused_free_dimension.onnx.npz").unlink()
    head = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Softmax(1))
    export(head, "head_opset18.onnx", numbers(8, 2, 9, 7), dynamo=False, opset_version=18, **names)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    {"keras3": keras3, "keras2": keras2, "torch": torch}[sys.argv[1]]()
