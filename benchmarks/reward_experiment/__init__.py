"""The parts of reward_experiment.py: episodes, labelling, figures, controls, report and plot."""
