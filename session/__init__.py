"""One sitting of one person: what they work through, where it is kept, the way to the hub."""
