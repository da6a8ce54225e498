"""What is done with pictures that were made."""

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.ports import PictureTools
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.history.statistics import Statistics
from nano_banana_lab.core.history.thumbnail import Thumbnail
from nano_banana_lab.core.history.upload_picture import UploadPicture


class History(Provider):
    """Pillow reads and shrinks them."""

    scope = Scope.APP

    @provide
    def picture_tools(self) -> PictureTools:
        from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools

        return PillowPictureTools()

    use_cases = provide_all(KeepPicture, UploadPicture, FindPictures, Statistics, Thumbnail, DeletePictures, Reindex)
