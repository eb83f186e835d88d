"""Where the verbs know `nas.writing` from."""

from nas.writing import check_writable, out_path, write_whole

__all__ = ["check_writable", "out_path", "write_whole"]
