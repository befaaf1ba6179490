"""Photos of made-up rooms from several renderers, with files beside them and the truth: for photo_accuracy.py."""
