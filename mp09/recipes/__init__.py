"""What the learning commands do: data, networks, training, features and tuning put together."""
