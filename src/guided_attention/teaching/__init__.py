"""Checkers for the exercises of the book: each says whether an answer is right and, if not, what is wrong with it."""

from guided_attention.teaching.ch01_data import *
from guided_attention.teaching.ch02_first_segmenter import *
from guided_attention.teaching.ch03_four_scales import *
from guided_attention.teaching.ch04_position_attention import *
from guided_attention.teaching.ch05_channel_attention import *
from guided_attention.teaching.ch06_two_attentions import *
from guided_attention.teaching.ch07_guidance import *
from guided_attention.teaching.ch08_whole_network import *
from guided_attention.teaching.ch09_losses import *
from guided_attention.teaching.ch10_loop import *
from guided_attention.teaching.ch11_training import *
from guided_attention.teaching.ch12_evaluation import *
from guided_attention.teaching.ch13_family import *
from guided_attention.teaching.ch14_ablation import *
from guided_attention.teaching.ch15_state_of_the_art import *
from guided_attention.teaching.ch16_masks import *
from guided_attention.teaching.ch17_paper_and_code import *
from guided_attention.teaching.ch18_fast import *
from guided_attention.teaching.ch19_gpu import *
from guided_attention.teaching.ch20_scaling import *
from guided_attention.teaching.ch21_touch import *
from guided_attention.teaching.ch22_steps import *
from guided_attention.teaching.ch23_live import *
from guided_attention.teaching.ch24_explain import *
from guided_attention.teaching.ch25_own_volumes import *
from guided_attention.teaching.feedback import Feedback

__all__ = ["Feedback", *(name for name in dir() if name.startswith("check_"))]
