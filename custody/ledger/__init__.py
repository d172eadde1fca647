"""The custody ledger: an RFC 6962 transparency log in C2SP tlog-tiles layout."""
