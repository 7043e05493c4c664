"""Writes the files in this folder that scikit-learn, PyTorch and NumPy computed; see README.md."""

import json

import numpy as np
import sklearn
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

embeddings = np.load("embeddings.npy").astype(np.float64)
labels = np.load("label.npy")
train, test = embeddings[:400], embeddings[400:]
scaler = StandardScaler().fit(train)
x, x_test = scaler.transform(train), scaler.transform(test)

# Logistic regression: minimise the mean cross-entropy + l2/2 ||W||^2, so C = 1 / (l2 n).
cases = []
for l2 in [1.0, 1e-2, 1e-4]:
    model = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-10, max_iter=100_000).fit(x, labels[:400])
    probabilities = model.predict_proba(x)[np.arange(400), labels[:400]]
    objective = -np.log(probabilities).mean() + 0.5 * l2 * (model.coef_**2).sum()
    cases.append({
        "l2": l2,
        "objective": objective,
        "scores": model.decision_function(x_test[:10]).ravel().tolist(),
        "predictions": model.predict(x_test).tolist(),
    })
with open("logistic.json", "w") as file:
    json.dump({"sklearn": sklearn.__version__, "cases": cases}, file)

# SGD: 90 rows are one batch, so the order does not matter; initial weight j is 0.01 sin(0.37 j).
classes = int(labels.max()) + 1
layer = torch.nn.Linear(16, classes)
with torch.no_grad():
    weights = 0.01 * torch.sin(0.37 * torch.arange(classes * 16, dtype=torch.float64))
    layer.weight.copy_(weights.float().reshape(classes, 16))
    layer.bias.zero_()
features = torch.from_numpy(embeddings[:90]).float()
targets = torch.from_numpy(labels[:90])
# The learning rate is scaled by batch / 256, here 128 / 256.
optimiser = torch.optim.SGD(layer.parameters(), lr=0.02 * 128 / 256, momentum=0.9, weight_decay=1e-2)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
for _ in range(30):
    loss = torch.nn.functional.cross_entropy(layer(features), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
with open("sgd.json", "w") as file:
    json.dump({
        "torch": torch.__version__,
        "loss": loss.item(),
        "weights": layer.weight.detach().ravel().tolist(),
        "bias": layer.bias.detach().tolist(),
    }, file)

# Files as NumPy and safetensors write them; value j (row-major) is sin(0.37 j), 3 x 5.
values = np.sin(0.37 * np.arange(15)).reshape(3, 5)
np.save("c_float16.npy", values.astype(np.float16))
np.save("fortran_float64.npy", np.asfortranarray(values))
np.save("big_endian_float32.npy", values.astype(">f4"))
with open("version2_float32.npy", "wb") as file:
    np.lib.format.write_array(file, values.astype(np.float32), version=(2, 0))
np.save("object.npy", np.array([[1, "a"], [None, 2.0]], dtype=object))
np.save("labels_int32.npy", np.array([3, 0, 70000], dtype=np.int32))
matrix = torch.from_numpy(values)
save_file(
    {
        "f16": matrix.half(),
        "bf16": matrix.bfloat16(),
        "f32": matrix.float(),
        "f64": matrix,
        "one_dimension": matrix[0].clone(),
        "integers": torch.ones(3, 5, dtype=torch.int64),
    },
    "many.safetensors",
)
save_file({"bias": matrix[0].float(), "z": matrix.float()}, "one_matrix.safetensors")

# The probe of iNat18: batch norm over 4 channels of 4 places each, then the linear layer; plain SGD with momentum.
norm, layer = torch.nn.BatchNorm1d(4), torch.nn.Linear(16, classes)
with torch.no_grad():
    layer.weight.copy_(weights.float().reshape(classes, 16))
    layer.bias.zero_()
parameters = [*norm.parameters(), *layer.parameters()]
optimiser = torch.optim.SGD(parameters, lr=0.02 * 128 / 256, momentum=0.9, weight_decay=1e-2)
for _ in range(30):
    normal = norm(features.reshape(90, 4, 4)).reshape(90, 16)
    loss = torch.nn.functional.cross_entropy(layer(normal), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
norm.eval()
with torch.no_grad():
    scores = layer(norm(torch.from_numpy(embeddings[400:410]).float().reshape(10, 4, 4)).reshape(10, 16))
with open("batch_norm.json", "w") as file:
    json.dump({"torch": torch.__version__, "loss": loss.item(), "scores": scores.ravel().tolist()}, file)

# Compressed, as numpy.savez_compressed writes it.
np.savez_compressed("deflated.npz", embeddings=embeddings[:20].astype(np.float32), label=labels)
