"""The images that classifiers are adapted to, and how, in words from which it can be repeated."""

from loralab.claims import Scope

SOURCES = {
    "digits": ("scikit-learn's 8 x 8 digits", Scope.SMALL),
    "drawn images": ("drawn 8 x 8 images", Scope.SIMULATION),
}
IMAGES = (
    "64 -> 10 linear classifier with bias of pixels between 0 and 1, cross-entropy with a penalty "
    "of 1e-3 |W|^2 minimised by L-BFGS on 400 images; adapted to 1000 others mirrored left to "
    "right, rank 4, s = 1: B alone (B = 0, A with uniform orthonormal rows), A alone (A = 0, B "
    "uniform in [-1/2, 1/2]) or both (B = 0, A with uniform orthonormal rows); a Gaussian "
    "posterior around the trained numbers, its means and its deviations (0.1 at first) trained by "
    "Adam (learning rate 0.05 to 0 by a cosine, betas 0.9 and 0.999, eps 1e-8, no weight decay), "
    "600 full batches, on the cross-entropy of one draw over ln 10 plus sqrt((KL + ln(2 "
    "sqrt(n)/delta))/(2n)), KL the least of three to priors of deviation 0.3, 1 and 3 around the "
    "initialization; bounds on the 0-1 test error by kl_inverse that hold together with 95 %, "
    "delta = 0.05 over eight candidates: PAC-Bayes-kl with each of these priors, training error "
    "from 400 draws, and Occam for the means in 32 bits a number and on grids of 4 and 8 bits up "
    "to 3 and 6. Digits: scikit-learn's 1797, split anew for each seed, intervals corrected for "
    "what splits share. Drawn images: a uniform label and a normal image with the mean and "
    "covariance of that digit, 2000 to test, new ones for each seed"
)
