"""The commands, by what they are about; each module is a group of them."""
