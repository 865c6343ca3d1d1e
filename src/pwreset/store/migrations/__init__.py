"""The store's numbered migrations, `NNNN_name.sql`. One that has been released is never edited: its check sum is kept."""
