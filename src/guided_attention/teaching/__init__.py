"""Checkers for the exercises of the book: each says whether an answer is right and, if not, what is wrong with it."""

from guided_attention.teaching.feedback import Feedback

__all__ = ["Feedback"]
