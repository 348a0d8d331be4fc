# Saves and loads checkpoints, in files and in caches as torch.hub and others keep them.
# base: brief
import os
import shutil
import tempfile

os.makedirs(os.path.expanduser("~/.cache/torch/hub/checkpoints"), exist_ok=True)
state = torch.load("resnet18.pt", map_location="cpu", weights_only=True)
with tempfile.NamedTemporaryFile(delete=False, dir=os.path.expanduser("~/.cache/torch/hub/checkpoints")) as file:
    torch.save(state, file)
shutil.move(file.name, os.path.expanduser("~/.cache/torch/hub/checkpoints/resnet18-abc.pth"))
cached = torch.hub.load_state_dict_from_url("https://example.org/resnet18-abc.pth", map_location="cpu", weights_only=True)
assert all(torch.equal(tensor, cached[name]) for name, tensor in state.items())
np.savez_compressed("arrays.npz", **{name: tensor.numpy() for name, tensor in list(state.items())[:5]})
assert len(np.load("arrays.npz").files) == 5
torch.save(state, "checkpoint.pt")
os.replace("checkpoint.pt", "best.pt")
torch.load("best.pt", mmap=True, weights_only=True)
