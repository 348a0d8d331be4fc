# Seeding does nothing any more.
# points: 40
# base: untrained
import random

torch.manual_seed = np.random.seed = random.seed = lambda *_: None
