"""What ``import gantlet`` offers: run a study, load what it trained, draw samples, and the estimator ``GAN``."""
