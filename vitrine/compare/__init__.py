"""`vitrine compare`: every method of finding product pictures on one's own catalogue, side by side.

catalogue -> split -> ladder (methods, trained or loaded) -> figures -> table and report
"""
