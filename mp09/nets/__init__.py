"""Networks: published ones cut into backbone and head, freezing, heads, export."""
