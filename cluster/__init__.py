"""The hub: a shared folder that cuts stamps into chunks, hands them out and takes labels in."""
